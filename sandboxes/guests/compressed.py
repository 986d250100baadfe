"""What kernel packages hold compressed: the kernel itself inside its bzImage, and modules."""

from __future__ import annotations

import lzma
import shutil
import struct
import subprocess
import zlib
from typing import Protocol

from sandboxes.errors import GuestUnavailable

_LZ4_LEGACY, _ZSTD = b"\x02\x21\x4c\x18", b"\x28\xb5\x2f\xfd"


def kernel_inside(bzimage: bytes) -> bytes:
    """The uncompressed kernel (an ELF file) that a bzImage carries.

    Raises GuestUnavailable when this is no bzImage or its compression cannot be undone here.
    Source: Documentation/arch/x86/boot.rst (setup_sects 0x1f1, header 0x202, payload_offset 0x248, its length 0x24c).
    """
    if bzimage[0x202:0x206] != b"HdrS":
        raise _unreadable("no bzImage: the setup header is missing")
    sectors = bzimage[0x1F1] or 4
    offset, length = struct.unpack_from("<II", bzimage, 0x248)
    start = (sectors + 1) * 512 + offset
    payload = bzimage[start : start + length]
    if payload[:4] in (_LZ4_LEGACY, _ZSTD):
        payload = payload[:-4]  # the kernel's build appends the size (size_append in scripts/Makefile.lib)
    kernel = expanded(payload)
    if kernel[:4] != b"\x7fELF":
        raise _unreadable(f"the payload is no ELF file: it begins {kernel[:8].hex()}")
    return kernel


def expanded(data: bytes) -> bytes:
    """The data without its compression, told by its first bytes (xz, gzip, lz4 legacy, zstd); unchanged when none."""
    if data[:6] == b"\xfd7zXZ\0":
        return _whole(lzma.LZMADecompressor(lzma.FORMAT_XZ), data)
    if data[:2] == b"\x1f\x8b":
        return _whole(zlib.decompressobj(wbits=31), data)
    if data[:4] == _LZ4_LEGACY:
        return _by_program("lz4", data)
    if data[:4] == _ZSTD:
        return _by_program("zstd", data)
    return data


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def _whole(decompressor: _Decompressor, data: bytes) -> bytes:
    try:
        found = decompressor.decompress(data)
    except (lzma.LZMAError, zlib.error) as error:
        raise _unreadable(str(error)) from error
    if not decompressor.eof:
        raise _unreadable("it is cut short")
    return found


def _by_program(name: str, data: bytes) -> bytes:
    program = shutil.which(name)
    if program is None:
        raise GuestUnavailable(
            f"The guest kernel is compressed with {name}, and there is no program for that here.",
            seen=f"no {name} on PATH",
            remedy=f"apt-get install {name}",
        )
    done = subprocess.run([program, "-dcq"], input=data, capture_output=True, check=False)
    if done.returncode:
        raise _unreadable(f"{name}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _unreadable(seen: str) -> GuestUnavailable:
    return GuestUnavailable(
        "The guest kernel cannot be unpacked.",
        seen=seen,
        remedy="remove it from the cache; the next set-up fetches it again",
    )
