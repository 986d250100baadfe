"""A registry on loopback: what travels is what the other end lacks, and nothing else is reached."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes import containers
from sandboxes.containers import EngineImage, Registry
from sandboxes.containers.images import pulling
from sandboxes.errors import StartFailed, Unavailable
from sandboxes.model import Blob

pytestmark = pytest.mark.usefixtures("engine_ready")


@pytest.fixture(scope="module")
def registry(engine_ready: None) -> Iterator[Registry]:
    try:
        started = containers.registry()
    except Unavailable as missing:
        pytest.skip(str(missing))
    with started:
        yield started


@pytest.fixture(scope="module")
def image(engine_ready: None) -> Iterator[EngineImage]:
    with containers.image(files={"app/version": "1\n"}, tag="web:v1") as built:
        yield built


def layers(blobs: tuple[Blob, ...]) -> list[Blob]:
    """Those that are neither manifest nor configuration."""
    return [blob for blob in blobs if ".tar" in blob.media_type]


def test_a_first_push_moves_everything(registry: Registry, image: EngineImage) -> None:
    pushed = registry.push(image)
    assert pushed.skipped == ()
    assert [blob.media_type.rpartition(".")[2] for blob in pushed.moved] == ["v2+json", "v1+json", "gzip", "gzip"]
    assert {blob.digest: blob.size_bytes for blob in pushed.moved} == {
        blob.digest: blob.size_bytes for blob in registry.blobs()
    }
    assert image.id in {blob.digest for blob in pushed.moved}, "the image's id is the digest of its configuration"


def test_the_next_version_moves_only_what_is_new(registry: Registry, image: EngineImage) -> None:
    first = registry.push(image)
    with containers.image(files={"app/version": "2\n"}, tag="web:v2") as second:
        pushed = registry.push(second)
    shared = {blob.digest for blob in first.skipped} & {blob.digest for blob in pushed.skipped}
    assert len(shared) == 1, "the layer of the book's busybox"
    assert pushed.moved_bytes < 10_000 < sum(blob.size_bytes for blob in pushed.skipped)


def test_the_same_push_again_moves_nothing(registry: Registry, image: EngineImage) -> None:
    registry.push(image)
    again = registry.push(image)
    assert (again.moved, again.moved_bytes) == ((), 0) and len(again.skipped) == 4


def test_what_was_pushed_comes_back_the_same(registry: Registry) -> None:
    gone = containers.image(files={"app/version": "3\n"}, tag="web:v3")
    pushed = registry.push(gone)
    gone.close()
    pulled = registry.pull(pushed)
    assert [blob.size_bytes > 500_000 for blob in layers(pulled.skipped)] == [True], "the busybox was there"
    assert len(layers(pulled.moved)) == 1 and len(pulled.moved) == 3
    assert layers(registry.pull(pushed).moved) == [], "it is there now"
    with containers.image(name=pulled.name) as back, containers.container(image=back) as box:
        assert back.id == gone.id
        assert box.run("cat /app/version").stdout == "3\n"
        assert registry.push(back).moved == (), "what came by its digest can go back"
    with pytest.raises(StartFailed, match="no image"):
        containers.container(image=pulled.name)


def test_an_image_can_be_asked_for_by_digest(registry: Registry, image: EngineImage) -> None:
    pushed = registry.push(image)
    with containers.image(pull=pushed.name) as fetched:
        assert fetched.id == image.id


def test_a_digest_that_nobody_has_is_one_readable_error(registry: Registry) -> None:
    with pytest.raises(Unavailable, match="could not be fetched"):
        containers.image(pull=f"{registry.address}/web@sha256:" + "0" * 64)


def test_an_image_that_does_not_exist_is_not_pushed(registry: Registry) -> None:
    with pytest.raises(StartFailed, match="no image"):
        registry.push("no-such-image")


def test_a_private_engine_s_registry_is_not_on_this_machine_s_network(registry: Registry) -> None:
    if containers.engine().pid is None:
        pytest.skip("the reader's own engine reaches this machine's loopback address")
    inside = os.readlink(f"/proc/{registry.pid}/ns/net")
    assert inside != os.readlink("/proc/self/ns/net")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(registry.address.rpartition(":")[2]))) != 0


def test_a_closed_registry_leaves_no_process_and_no_file() -> None:
    if shutil.which("docker-registry") is None:
        pytest.skip("no docker-registry")
    with containers.registry() as one, containers.registry() as other:
        assert one.address != other.address
        pids, folders = (one.pid, other.pid), (one.folder, other.folder)
    one.close()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not any(folder.exists() for folder in folders)


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a registry that speaks TLS, as those of the world do; it listens on loopback all the same."""
    programs = [shutil.which(name) for name in ("docker-registry", "openssl", "skopeo")]
    if None in programs:
        pytest.skip("needs docker-registry, openssl and skopeo")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    asked = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=here", "-keyout", key]
    asked += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate]
    subprocess.run(["openssl", *asked], check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    (tmp_path / "config.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/data}}}}\n"
        f"http: {{addr: '{address}', tls: {{certificate: {certificate}, key: {key}}}}}\n"
    )
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", tmp_path / "config.yml"], stdout=log, stderr=log)
    try:
        until = time.monotonic() + 10
        while "listening on" not in (tmp_path / "log").read_text() and time.monotonic() < until:
            time.sleep(0.02)
        yield address
    finally:
        process.kill()
        process.wait()


def test_skopeo_fetches_by_digest_for_an_engine_without_a_network(far: str, image: EngineImage, tmp_path: Path) -> None:
    image.save(tmp_path / "layout")
    copied = ["skopeo", "copy", "--quiet", "--digestfile", str(tmp_path / "digest")]
    subprocess.run([*copied, f"oci:{tmp_path}/layout", f"docker://{far}/web:v1"], check=True, timeout=30)
    wanted = pulling.Wanted(f"{far}/web", (tmp_path / "digest").read_text())
    fetched = containers.image(name=pulling.by_skopeo(containers.engine(), wanted))
    with fetched, containers.container(image=fetched) as box:
        assert [layer.diff_id for layer in fetched.layers()] == [layer.diff_id for layer in image.layers()]
        assert box.run("cat /app/version").stdout == "1\n"


def test_skopeo_does_not_take_another_digest(far: str) -> None:
    with pytest.raises(Unavailable, match="could not be fetched"):
        pulling.by_skopeo(containers.engine(), pulling.Wanted(f"{far}/web", "sha256:" + "0" * 64))
