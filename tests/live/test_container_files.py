"""Files into containers and out of them: also where the root is read-only and the writable places are in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes import containers
from sandboxes.containers import ContainerSandbox
from sandboxes.errors import BadRequest

pytestmark = pytest.mark.usefixtures("engine_ready")


@pytest.fixture(scope="module")
def box(engine_ready: None) -> Iterator[ContainerSandbox]:
    with containers.container(files={"/tmp/a/note.txt": "é\n", "/run/raw": b"\0\xff"}) as made:
        yield made


def test_files_are_there_before_the_first_command(box: ContainerSandbox) -> None:
    assert box.run("cat /tmp/a/note.txt; stat -c '%U %a' /tmp/a/note.txt").stdout == "é\nreader 644\n"
    assert box.get("/run/raw") == b"\0\xff"


def test_what_is_put_comes_back_byte_for_byte(box: ContainerSandbox) -> None:
    data = bytes(range(256)) * 20_000
    box.put("/tmp/data", data)
    assert box.get("/tmp/data") == data
    box.put("/tmp/data", "shorter")
    assert box.get("/tmp/data") == b"shorter"
    box.put("/tmp/empty", b"")
    assert box.get("/tmp/empty") == b""


def test_a_folder_of_this_machine_goes_in_with_its_programs(box: ContainerSandbox, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/hello").write_text("echo hello\n")
    (tmp_path / "sub/hello").chmod(0o755)
    (tmp_path / "name with 'quotes'").write_text("x")
    box.put("/run/folder", tmp_path)
    assert box.run("sh /run/folder/sub/hello; stat -c %a /run/folder/sub/hello; ls /run/folder").stdout == (
        "hello\n755\nname with 'quotes'\nsub\n"
    )


@pytest.mark.parametrize("path", ["/etc/motd", "/proc/new", "/tmp/data/below-a-file"])
def test_a_place_that_cannot_be_written_is_told_in_the_words_of_the_container(box: ContainerSandbox, path: str) -> None:
    box.put("/tmp/data", "a file")
    with pytest.raises(BadRequest) as caught:
        box.put(path, "x")
    assert caught.value.field == "path" and caught.value.seen


@pytest.mark.parametrize("path", ["/no/such/file", "/tmp", "/proc/1/mem"])
def test_what_cannot_be_read_is_told(box: ContainerSandbox, path: str) -> None:
    with pytest.raises(BadRequest) as caught:
        box.get(path)
    assert caught.value.field == "path" and caught.value.seen


def test_more_than_was_asked_for_is_refused_also_when_it_has_no_end(box: ContainerSandbox) -> None:
    with pytest.raises(BadRequest, match="holds too much"):
        box.get("/dev/zero", most_bytes=100_000)


def test_an_open_container_takes_files_anywhere() -> None:
    with containers.container(profile="open", files={"/etc/motd": "welcome\n", "/new/place": "x"}) as made:
        assert made.run("cat /etc/motd /new/place").stdout == "welcome\nx"


def test_files_that_do_not_fit_leave_no_container() -> None:
    engine = containers.engine()
    before = len(engine.api.containers(all=True, filters={"label": engine.label}))
    with pytest.raises(BadRequest, match="No space left"):
        containers.container(files={"/run/large": bytes(5 << 20)})
    assert len(engine.api.containers(all=True, filters={"label": engine.label})) == before
