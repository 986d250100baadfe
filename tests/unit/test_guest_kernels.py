"""A kernel is found in apt's words, taken out of its bzImage, and kept in the cache whole or not at all."""

from __future__ import annotations

import gzip
import lzma
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from sandboxes.errors import GuestUnavailable
from sandboxes.guests import compressed, kernels
from sandboxes.guests.compressed import expanded, kernel_inside
from sandboxes.guests.elf import has_pvh_entry, is_static
from sandboxes.guests.kernels import GuestKernel, found_kernel, parse_dependency, prepare_kernel

DEBIAN = """linux-image-cloud-amd64
  Depends: linux-image-6.1.0-56-cloud-amd64
"""
UBUNTU = """linux-image-virtual
  Depends: linux-image-6.8.0-48-generic
  Recommends: thermald
"""
NEITHER = """linux-image-virtual
  Depends: linux-firmware
<linux-image-5>
"""


@pytest.mark.parametrize(
    ("said", "package"),
    [
        (DEBIAN, "linux-image-6.1.0-56-cloud-amd64"),
        (UBUNTU, "linux-image-6.8.0-48-generic"),
        (NEITHER, None),
        ("", None),
    ],
)
def test_the_package_with_the_kernel_is_the_one_that_the_newest_depends_on(said: str, package: str | None) -> None:
    assert parse_dependency(said) == package


def elf(*, kind: int = 4, note: int = 18, name: bytes = b"Xen\0") -> bytes:
    """A 64-bit ELF file with one program header that holds one note."""
    content = struct.pack("<III", len(name), 4, note) + name + bytes(4)
    head = bytearray(64)
    head[:6] = b"\x7fELF\x02\x01"
    struct.pack_into("<Q", head, 32, 64)
    struct.pack_into("<HH", head, 54, 56, 1)
    return bytes(head) + struct.pack("<IIQQQQQQ", kind, 0, 120, 0, 0, len(content), len(content), 4) + content


def bzimage(payload: bytes, sectors: int = 4) -> bytes:
    """A setup header, `sectors` of setup code and the payload 16 bytes after it."""
    data = bytearray((1 + sectors) * 512 + 16)
    data[0x1F1] = sectors
    data[0x202:0x206] = b"HdrS"
    struct.pack_into("<II", data, 0x248, 16, len(payload))
    return bytes(data) + payload + b"signature"


def lz4(data: bytes) -> bytes:
    """As the kernel's build does it: the legacy frame, then the uncompressed size."""
    done = subprocess.run([str(shutil.which("lz4")), "-lc"], input=data, capture_output=True, check=True)
    return done.stdout + struct.pack("<I", len(data))


def zstd(data: bytes) -> bytes:
    done = subprocess.run([str(shutil.which("zstd")), "-qc"], input=data, capture_output=True, check=True)
    return done.stdout + struct.pack("<I", len(data))


@pytest.mark.parametrize("squeeze", [gzip.compress, lzma.compress, lz4, zstd], ids=["gzip", "xz", "lz4", "zstd"])
def test_a_kernel_comes_out_of_its_bzimage(squeeze: object) -> None:
    assert callable(squeeze)
    if squeeze in (lz4, zstd) and not shutil.which(squeeze.__name__):
        pytest.skip(f"no program {squeeze.__name__}")
    kernel = elf() + bytes(10_000)
    assert kernel_inside(bzimage(squeeze(kernel))) == kernel


@pytest.mark.parametrize("name", ["lz4", "zstd"])
def test_a_missing_program_is_named_with_its_package(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed.shutil, "which", lambda name: None)
    magic = {"lz4": b"\x02\x21\x4c\x18", "zstd": b"\x28\xb5\x2f\xfd"}[name]
    with pytest.raises(GuestUnavailable, match=name) as raised:
        expanded(magic + bytes(8))
    assert raised.value.remedy == f"apt-get install {name}"


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        bytes(4096),
        bzimage(b"nothing known"),
        bzimage(gzip.compress(elf())[:-30]),
        bzimage(b"\xfd7zXZ\0" + bytes(40)),
    ],
    ids=["empty", "zeros", "no ELF", "cut short", "damaged"],
)
def test_a_broken_image_is_an_error_and_no_kernel(broken: bytes) -> None:
    with pytest.raises(GuestUnavailable, match="cannot be unpacked"):
        kernel_inside(broken)


def test_pvh_is_told_by_its_note_only() -> None:
    assert has_pvh_entry(elf())
    assert not has_pvh_entry(elf(note=17))
    assert not has_pvh_entry(elf(name=b"GNU\0"))
    assert not has_pvh_entry(elf(kind=1))
    assert not has_pvh_entry(b"MZ" + bytes(200))


def test_a_program_that_asks_for_a_loader_is_not_static() -> None:
    assert is_static(elf())
    assert not is_static(elf(kind=3))
    assert not is_static(b"#!/bin/sh\n")


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GuestKernel:
    """A small kernel in a cache of its own, and an apt that offers nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(kernels, "_apt", lambda *argv, folder=None: "")
    tree = tmp_path / "tree"
    (tree / "boot").mkdir(parents=True)
    image = tree / "boot/vmlinuz-6.1.0-1-cloud"
    image.write_bytes(bzimage(gzip.compress(elf())))
    files = {"bzimage": image.read_bytes(), "vmlinux": elf()}
    return kernels.keep("linux-image-6.1.0-1-cloud", "1:6.1-2", image, files, {}, kernels.NOTE)


def test_what_was_kept_is_found_again(cached: GuestKernel) -> None:
    assert found_kernel() == cached
    assert cached.intact()
    assert (cached.release, cached.direct, cached.modules) == ("6.1.0-1-cloud", True, ())


def test_without_apt_the_kernel_in_the_cache_stays_and_that_is_said(cached: GuestKernel) -> None:
    said: list[str] = []
    assert prepare_kernel(said.append) == cached
    assert "keeping" in said[0]


def test_a_damaged_file_is_noticed_and_not_used_when_preparing(cached: GuestKernel) -> None:
    damaged = bytearray(cached.image.read_bytes())
    damaged[-1] ^= 1
    cached.image.write_bytes(damaged)
    with pytest.raises(GuestUnavailable, match="apt knows of no kernel"):
        prepare_kernel(print)


def test_a_file_cut_short_is_no_kernel(cached: GuestKernel) -> None:
    cached.image.write_bytes(cached.image.read_bytes()[:-1])
    assert found_kernel() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"package": 1}'])
def test_a_broken_note_is_no_kernel(text: str, cached: GuestKernel) -> None:
    (kernels.guests_folder() / kernels.NOTE).write_text(text)
    assert found_kernel() is None


def test_modules_come_in_the_order_in_which_they_can_be_loaded(tmp_path: Path) -> None:
    def module(name: str, depends: str) -> None:
        (tmp_path / f"{name}.ko").write_bytes(b"\x7fELF\0license=GPL\0depends=" + depends.encode() + b"\0name=x\0")

    module("virtio-pci", "virtio-ring,virtio")
    module("virtio", "virtio_ring")
    module("virtio_ring", "")
    module("virtio_net", "failover,virtio")
    module("unrelated", "")
    assert list(kernels.loadable(tmp_path, kernels.MODULES)) == [
        "virtio_ring.ko",
        "virtio.ko",
        "virtio_pci.ko",
        "virtio_net.ko",
    ]
