"""Images: built from text and files, looked into, saved and loaded; for another processor; never fetched unasked."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes import containers
from sandboxes.containers import EngineImage
from sandboxes.errors import (
    BadRequest,
    BuildFailed,
    EngineUnavailable,
    RunTimeout,
    SandboxGone,
    StartFailed,
    Unavailable,
)

pytestmark = pytest.mark.usefixtures("engine_ready")

HELLO = {"app/hello.sh": "#!/bin/sh\necho hello from $(hostname)\n", "app/data.txt": "one\n"}
THREE = """FROM busybox
COPY app /app
RUN echo two >> /app/data.txt && rm /bin/vi
RUN echo three > /three
"""


@pytest.fixture(scope="module")
def three(engine_ready: None) -> Iterator[EngineImage]:
    """An image with three layers on top of the book's busybox."""
    with containers.image(THREE, files=HELLO, tag="three:v1") as built:
        yield built


def test_files_alone_become_an_image_on_the_book_s_busybox() -> None:
    with containers.image(files=HELLO) as built, containers.container(image=built, name="greeter") as box:
        assert box.run(["/app/hello.sh"]).stdout == "hello from greeter\n"
        assert box.run("ls -A /").stdout.split().count("Dockerfile") == 0


def test_a_dockerfile_is_built_step_by_step(three: EngineImage) -> None:
    assert [step.instruction.split()[0] for step in three.steps] == ["FROM", "COPY", "RUN", "RUN"]
    with containers.container(image=three.name) as box:
        assert box.run("cat /app/data.txt /three").stdout == "one\ntwo\nthree\n"


def test_the_second_build_of_the_same_is_answered_from_the_cache(three: EngineImage) -> None:
    again = containers.image(THREE, files=HELLO, tag="three:v1")
    assert [step.cached for step in again.steps] == [False, True, True, True], "FROM builds nothing"
    assert again.id == three.id
    assert again.build_ms is not None and three.build_ms is not None and again.build_ms < three.build_ms


def test_a_changed_file_builds_from_its_step_on(three: EngineImage) -> None:
    with containers.image(THREE, files={**HELLO, "app/data.txt": "1\n"}, tag="three:v2") as other:
        assert [step.cached for step in other.steps] == [False, False, False, False]
        assert other.layers()[0] == three.layers()[0] and other.layers()[1] != three.layers()[1]


def test_a_file_that_is_not_copied_changes_nothing(three: EngineImage) -> None:
    with containers.image(THREE, files={**HELLO, "notes.txt": "unused"}, tag="three:v3") as same:
        assert same.id == three.id


def test_two_images_of_equal_content_are_closed_one_by_one(tmp_path: Path) -> None:
    with containers.image(files=HELLO) as one:
        containers.image(files=HELLO).close()
        one.save(tmp_path)
        with containers.image(load=tmp_path) as loaded:
            containers.image(load=tmp_path).close()
            assert loaded.id == one.id
            for left in (one, loaded):
                with containers.container(image=left.name) as box:
                    assert box.run("cat /app/data.txt").stdout == "one\n"


def test_a_build_has_no_network() -> None:
    with pytest.raises(BuildFailed, match="unreachable"):
        containers.image("FROM busybox\nRUN ping -c1 -W1 192.0.2.1 2>&1\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "FROM busybox\nRUN echo first\nRUN echo before it fails; exit 7\n",
            "step 3, RUN echo before it fails; exit 7",
        ),
        ("FROM busybox\nCOPY missing /\n", "step 2, COPY missing /"),
        ("FROM busybox\nCOPPY a /\n", "COPPY"),
    ],
)
def test_a_failed_build_says_which_step(text: str, told: str) -> None:
    with pytest.raises(BuildFailed) as raised:
        containers.image(text)
    assert told in raised.value.seen
    assert str(raised.value).startswith(raised.value.what + "\n  seen: ")


def test_the_end_of_the_failed_step_s_output_is_shown() -> None:
    with pytest.raises(BuildFailed, match="last words"):
        containers.image("FROM busybox\nRUN seq 1000; echo last words; exit 1\n")


def test_an_image_that_the_engine_lacks_is_not_fetched() -> None:
    begun = time.monotonic()
    with pytest.raises(StartFailed, match="no image no-such-image"):
        containers.image("FROM no-such-image\nRUN true\n")
    assert time.monotonic() - begun < 20


def test_a_build_that_takes_too_long_is_ended_and_leaves_nothing_running() -> None:
    begun = time.monotonic()
    with pytest.raises(RunTimeout) as raised:
        containers.image("FROM busybox\nRUN echo waiting; sleep 97\n", timeout_s=1.5)
    assert time.monotonic() - begun < 60
    assert "sleep 97" in raised.value.seen
    engine = containers.engine()
    until = time.monotonic() + 5
    while (left := engine.api.containers(all=True, filters={"label": engine.label})) and time.monotonic() < until:
        time.sleep(0.1)
    assert [entry["Command"] for entry in left if "sleep 97" in entry["Command"]] == []


def test_a_bad_context_is_refused_before_anything_is_sent(three: EngineImage) -> None:
    before = set(containers.engine().api.images(all=True, quiet=True))
    for files in ({"/etc/passwd": ""}, {"../x": ""}, {"x": bytes(80 << 20)}):
        with pytest.raises(BadRequest):
            containers.image(files=files)
    assert set(containers.engine().api.images(all=True, quiet=True)) == before


def test_a_closed_image_is_gone_from_the_engine() -> None:
    built = containers.image(files={"unique": "to this test"})
    built.close()
    built.close()
    with pytest.raises(SandboxGone, match="build it again"):
        built.contents()
    with pytest.raises(StartFailed, match="no image"):
        containers.container(image=built)


def test_closing_the_book_s_image_leaves_it_there() -> None:
    with containers.image(name="busybox") as usual:
        assert usual.steps == ()
    with containers.container() as box:
        assert box.run("true").exit_code == 0


def test_a_service_runs_what_was_built(three: EngineImage) -> None:
    try:
        made = containers.service(three, replicas=1, command="sleep 1000")
    except EngineUnavailable as missing:
        pytest.skip(str(missing))
    with made:
        assert made.run("cat /three").stdout == "three\n"


def test_layers_are_what_the_engine_says_of_them(three: EngineImage) -> None:
    engine = containers.engine()
    seen = engine.api.inspect_image(three.name)  # type: ignore[no-untyped-call]
    assert [layer.diff_id for layer in three.layers()] == seen["RootFS"]["Layers"]
    assert (three.id, three.architecture) == (seen["Id"], seen["Architecture"])
    assert three.contents().id == three.id, "an image's id is the digest of its configuration"


def test_each_layer_tells_what_its_instruction_did(three: EngineImage) -> None:
    base, copied, changed, added = three.layers()
    assert {entry.change for entry in base.entries} == {"added"} and len(base.entries) > 200
    assert {entry.path for entry in copied.entries} == {"app", "app/hello.sh", "app/data.txt"}
    done = {(entry.path, entry.change) for entry in changed.entries if not entry.path.startswith("etc/")}
    assert done == {("app/data.txt", "changed"), ("bin/vi", "deleted")}, "an engine may leave files in /etc"
    sizes = {entry.path: entry.size_bytes for entry in added.entries}
    assert sizes["three"] == len("three\n") and "app/data.txt" not in sizes
    assert copied.created_by.startswith("COPY ") and added.created_by == "RUN echo three > /three"


def test_the_layers_add_up_to_what_a_container_sees(three: EngineImage) -> None:
    contents = three.contents()
    assert contents.origins["app/hello.sh"] == 1 and contents.origins["app/data.txt"] == 2
    assert "bin/vi" not in contents.files
    with containers.container(image=three) as box:
        there = box.run("find / -xdev \\( -path /proc -o -path /sys -o -path /dev \\) -prune -o -type f -print").stdout
    made_by_engine = {"etc/hosts", "etc/hostname", "etc/resolv.conf", ".dockerenv", "sbin/docker-init"}
    inside = {path.lstrip("/") for path in there.splitlines()}
    told = {path for path, entry in contents.files.items() if entry.kind == "file"}
    assert inside - made_by_engine == told - made_by_engine


def test_a_container_s_image_holds_no_kernel_and_no_module(three: EngineImage) -> None:
    parts = three.system_parts()
    assert (parts.kernels, parts.modules, parts.bootloaders) == ((), (), ())
    assert three.contents().files["bin/init"].target == "busybox", "a name of the one program; nothing starts it"


def test_an_image_has_the_same_id_after_it_was_saved_and_loaded(three: EngineImage, tmp_path: Path) -> None:
    copy = containers.image(THREE, files=HELLO, tag="travels:v1")
    described = copy.save(tmp_path / "layout")
    copy.close()
    with containers.image(load=tmp_path / "layout") as loaded:
        assert loaded.id == three.id == described.blobs[1].digest
        assert loaded.contents() == three.contents()
        with containers.container(image=loaded) as box:
            assert box.run("cat /three").stdout == "three\n"


def test_another_tool_reads_the_layout(three: EngineImage, tmp_path: Path) -> None:
    skopeo = shutil.which("skopeo")
    if skopeo is None:
        pytest.skip("no skopeo to compare with")
    layout = three.save(tmp_path / "layout")
    done = subprocess.run([skopeo, "inspect", f"oci:{layout.folder}"], capture_output=True, text=True, check=True)
    assert all(layer.diff_id in done.stdout for layer in three.layers())


def test_an_image_for_another_processor_says_so_in_its_configuration_and_in_its_programs() -> None:
    other = _foreign()
    files = other.contents().files
    assert other.architecture == other.contents().architecture != containers.image(name="busybox").architecture
    machines = {entry.machine for entry in files.values()} - {""}
    assert machines == {{"arm64": "aarch64", "amd64": "x86_64"}[other.architecture]}


def test_a_program_for_another_processor_does_not_start_and_the_kernel_says_why() -> None:
    other = _foreign()
    with pytest.raises(StartFailed, match=f"programs are for {other.architecture}") as raised:
        containers.container(image=other)
    assert "exec format error" in raised.value.seen.lower()
    engine = containers.engine()
    assert other.id not in {entry["ImageID"] for entry in engine.api.containers(all=True)}


def test_pulling_without_a_network_is_one_readable_error_within_its_time() -> None:
    begun = time.monotonic()
    with pytest.raises((Unavailable, RunTimeout)) as raised:
        containers.image(pull="registry.invalid/nothing@sha256:" + "0" * 64)
    assert time.monotonic() - begun < 40
    assert "registry.invalid" in str(raised.value)


def _foreign() -> EngineImage:
    try:
        return containers.image(name="foreign")
    except Unavailable as missing:
        pytest.skip(str(missing))
