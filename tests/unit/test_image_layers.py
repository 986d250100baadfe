"""What is in an image is read from what engines really save, in each of their formats, and a broken file is refused."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from sandboxes.containers.images.archive import SavedImage, blob_path, pack
from sandboxes.containers.images.layers import contents, instruction, read_layer, system_parts
from sandboxes.errors import BadRequest, Unavailable
from sandboxes.model import ImageContents, LayerEntry, SystemParts

DATA = Path(__file__).parent / "data/images"
SAVED = ("docker-20.10.tar", "podman-4.3.tar", "podman-4.3-oci.tar", "docker-25")


def archive(name: str) -> bytes:
    """A recorded archive. Docker 25 writes an OCI layout and names its parts in manifest.json too: moby, tarexport."""
    if name != "docker-25":
        return (DATA / name).read_bytes()
    buffer = io.BytesIO((DATA / "podman-4.3-oci.tar").read_bytes())
    with tarfile.open(fileobj=io.BytesIO(buffer.getvalue())) as tar:
        manifest = json.loads(read(tar, blob_path(json.loads(read(tar, "index.json"))["manifests"][0]["digest"])))
    parts = {
        "Config": blob_path(manifest["config"]["digest"]),
        "RepoTags": ["recorded:v1"],
        "Layers": [blob_path(layer["digest"]) for layer in manifest["layers"]],
    }
    with tarfile.open(fileobj=buffer, mode="a") as tar:
        add(tar, "manifest.json", json.dumps([parts]).encode())
    return buffer.getvalue()


def read(tar: tarfile.TarFile, name: str) -> bytes:
    opened = tar.extractfile(name)
    assert opened is not None
    return opened.read()


def add(tar: tarfile.TarFile, name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.size = kind, len(content)
    tar.addfile(entry, io.BytesIO(content))


def seen(name: str) -> ImageContents:
    return contents(SavedImage(io.BytesIO(archive(name))))


@pytest.mark.parametrize("name", SAVED)
def test_every_format_tells_the_same_layers(name: str) -> None:
    assert seen(name).layers == seen("docker-20.10.tar").layers
    assert seen(name).origins == seen("docker-20.10.tar").origins


@pytest.mark.parametrize("name", SAVED)
def test_a_layer_s_digest_is_the_one_that_the_configuration_names(name: str) -> None:
    image = SavedImage(io.BytesIO(archive(name)))
    assert [layer.diff_id for layer in contents(image).layers] == image.configuration["rootfs"]["diff_ids"]


def test_each_layer_says_what_it_did_to_which_file() -> None:
    first, second, third, fourth = seen("docker-20.10.tar").layers
    done = [{entry.path: entry.change for entry in layer.entries} for layer in (first, second, third, fourth)]
    assert set(done[0].values()) == {"added"} and len(done[0]) == 9
    assert done[1] == {"data/d": "added", "etc/motd": "changed"}
    assert done[2] == {"data/a": "deleted"}
    assert done[3] == {"data/sub/new": "added", "data/sub/c": "deleted"}, "the folder was made anew: an opaque whiteout"


def test_a_layer_has_its_instruction_and_its_sizes() -> None:
    image = seen("docker-20.10.tar")
    assert [layer.created_by.split()[0] for layer in image.layers] == ["COPY", "COPY", "/bin/edit", "/bin/edit"]
    assert image.instructions[-1] == "ENV SPOKEN=once", "an instruction without a layer is told as well"
    assert image.layers[0].size_bytes == 800 + len("first\n") + 100 + 10 + 1000
    assert image.layers[0].tar_bytes == 9216


def test_what_is_deleted_still_weighs_in_the_layer_below() -> None:
    image = seen("docker-20.10.tar")
    assert "data/a" not in image.files
    assert image.layers_bytes - image.files_bytes == 100 + 1000 + len("first\n")


def test_each_path_comes_from_the_uppermost_layer_that_has_it() -> None:
    image = seen("docker-20.10.tar")
    assert {path: image.origins[path] for path in ("data/b", "data/d", "etc/motd", "data/sub/new")} == {
        "data/b": 0,
        "data/d": 1,
        "etc/motd": 1,
        "data/sub/new": 3,
    }
    assert image.files["etc/motd"].size_bytes == len("second, longer\n")
    assert "data/sub/c" not in image.origins


def test_modes_and_processors_are_told() -> None:
    files = seen("docker-20.10.tar").files
    assert (files["bin/edit"].machine, files["bin/edit"].mode) == ("x86_64", 0o755)
    assert (files["data/sub/new"].machine, files["data/sub/new"].mode) == ("", 0o600)


def layer(*entries: tuple[str, bytes, bytes]) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content, kind in entries:
            add(tar, name, content, kind)
    buffer.seek(0)
    return buffer


FOLDER = LayerEntry("opt", "folder", "added", 0, 0o755)
INSIDE = LayerEntry("opt/deep/file", "file", "added", 5, 0o644)


@pytest.mark.parametrize("name", [".wh.opt", "./.wh.opt", "/.wh.opt"])
def test_a_whiteout_takes_what_is_below_it_away(name: str) -> None:
    lower = {"opt": FOLDER, "opt/deep/file": INSIDE, "optical": INSIDE}
    found = read_layer(layer((name, b"", tarfile.REGTYPE)), "", lower)
    assert [(entry.path, entry.kind, entry.change) for entry in found.entries] == [("opt", "folder", "deleted")]


def test_a_file_that_replaces_a_folder_hides_what_was_in_it(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    first = layer(("opt", b"", tarfile.DIRTYPE), ("opt/file", b"x", tarfile.REGTYPE), ("top", b"", tarfile.REGTYPE))
    second = layer(("opt", b"now a file", tarfile.REGTYPE), (".wh.top", b"", tarfile.REGTYPE))
    config = json.dumps({"architecture": "amd64", "rootfs": {"diff_ids": []}}).encode()
    pack(buffer, config, [first, second], "made:here")
    buffer.seek(0)
    assert contents(SavedImage(buffer)).origins == {"opt": 1}


@pytest.mark.parametrize("name", [".wh..wh.plnk", ".wh..wh.aufs"])
def test_a_storage_driver_s_own_files_are_no_part_of_the_image(name: str) -> None:
    assert read_layer(layer((name, b"", tarfile.DIRTYPE)), "", {}).entries == ()


def test_hidden_names_keep_their_dots() -> None:
    found = read_layer(layer(("./.dockerenv", b"", tarfile.REGTYPE), ("../up", b"", tarfile.REGTYPE)), "", {})
    assert [entry.path for entry in found.entries] == [".dockerenv", "up"]


@pytest.mark.parametrize("name", SAVED)
def test_a_file_cut_short_is_no_saved_image(name: str) -> None:
    whole = archive(name)
    for size in (0, 100, len(whole) // 3):
        with pytest.raises(BadRequest, match="no saved image"):
            contents(SavedImage(io.BytesIO(whole[:size])))


def test_an_archive_of_anything_else_is_no_saved_image() -> None:
    with pytest.raises(BadRequest, match=r"index\.json"):
        SavedImage(layer(("readme", b"hello", tarfile.REGTYPE)))
    with pytest.raises(BadRequest):
        SavedImage(layer(("manifest.json", b"[]", tarfile.REGTYPE)))
    with pytest.raises(BadRequest):
        SavedImage(layer(("manifest.json", b'[{"Config": "x", "Layers": "y"}]', tarfile.REGTYPE)))


def test_a_layer_packed_with_zstd_is_said_to_be_unreadable() -> None:
    buffer = io.BytesIO()
    pack(buffer, b"{}", [io.BytesIO(b"\x28\xb5\x2f\xfd" + bytes(100))], "made:here")
    buffer.seek(0)
    with pytest.raises(Unavailable, match="zstd"):
        contents(SavedImage(buffer))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("/bin/sh -c #(nop) COPY dir:abc in / ", "COPY dir:abc in /"),
        ('/bin/sh -c #(nop)  CMD ["sh"]', 'CMD ["sh"]'),
        ("/bin/sh -c rm /a", "RUN rm /a"),
        ("RUN /bin/sh -c rm /a # buildkit", "RUN /bin/sh -c rm /a"),
        ("", ""),
    ],
)
def test_an_instruction_is_told_in_the_words_of_the_dockerfile(said: str, words: str) -> None:
    assert instruction(said) == words


def test_an_operating_system_is_told_by_its_kernel_modules_init_and_boot_loader() -> None:
    parts = system_parts(
        [
            "boot/vmlinuz-6.1.0-56-amd64",
            "lib/modules/6.1.0/kernel/fs/ext4.ko.xz",
            "usr/sbin/init",
            "usr/lib/systemd/systemd",
            "boot/grub",
        ]
    )
    assert parts == SystemParts(
        ("boot/vmlinuz-6.1.0-56-amd64",),
        ("lib/modules/6.1.0/kernel/fs/ext4.ko.xz",),
        ("usr/lib/systemd/systemd", "usr/sbin/init"),
        ("boot/grub",),
    )


def test_names_that_only_look_like_those_are_none() -> None:
    paths = ["usr/bin/initdb", "etc/init.d", "home/reader/vmlinuz.txt", "usr/share/kernel", "lib/modules", "bin/sh"]
    assert system_parts(paths) == SystemParts((), (), (), ())


@pytest.mark.parametrize(
    "digest", ["sha256:../../etc/passwd", "sha256:abc", "md5:" + "a" * 64, "", "sha256:" + "G" * 64]
)
def test_a_digest_cannot_name_another_file(digest: str) -> None:
    with pytest.raises(ValueError, match="no sha256"):
        blob_path(digest)
