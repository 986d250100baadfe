"""What a cgroup did on block devices, and may do: io.stat, io.max (cgroup-v2.rst); v1: blkio-controller.rst."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from sandboxes.kernel.cgroup_files import Files
from sandboxes.model import IoLimit, IoStat

Keyed = dict[str, dict[str, int]]
_COUNTS = ("rbytes", "wbytes", "rios", "wios")
_LIMITS = ("rbps", "wbps", "riops", "wiops")
_LIMITS_V1 = ("read_bps_device", "write_bps_device", "read_iops_device", "write_iops_device")
_DEVICE = re.compile(r"\d+:\d+")


def version_2(files: Files, folder: Path) -> tuple[IoStat, ...] | None:
    """By device; None when the io controller is not switched on here."""
    stat, most = files.maybe("io.count", folder / "io.stat"), files.maybe("io.limit", folder / "io.max")
    if stat is None or most is None:
        return None
    return _joined(parse_nested(stat), parse_nested(most))


def version_1(files: Files, folder: Path) -> tuple[IoStat, ...]:
    """By device; the figures with "recursive" in their names include the cgroups below, as version 2's do."""
    bytes_ = parse_operations(files.text("io.count", folder / "blkio.throttle.io_service_bytes_recursive"))
    operations = parse_operations(files.text("io.operations", folder / "blkio.throttle.io_serviced_recursive"))
    counts = {
        device: dict(zip(_COUNTS, (*_pair(bytes_, device), *_pair(operations, device)), strict=True))
        for device in bytes_.keys() | operations.keys()
    }
    limits: Keyed = {}
    for key, name in zip(_LIMITS, _LIMITS_V1, strict=True):
        for line in files.text("io.limit", folder / f"blkio.throttle.{name}").splitlines():
            device, value = line.split()
            limits.setdefault(device, {})[key] = int(value)
    return _joined(counts, limits)


def parse_nested(content: str) -> Keyed:
    """Lines of "DEVICE key=value key=value"; what is "max" is left out (cgroup-v2.rst, "nested keyed").

    Some kernels print devices without figures, and no end of line, before the one that the figures are of; a disk that
    hides behind others, as with multipath, is "(unknown)" (blkg_dev_name(), block/blk-cgroup.c) and is left out.
    """
    found: Keyed = {}
    for line in content.splitlines():
        words = line.split()
        split = (word.split("=") for word in words if "=" in word)
        if devices := [word for word in words if _DEVICE.fullmatch(word)]:
            found[devices[-1]] = {key: int(value) for key, value in split if value.isdigit()}
    return found


def parse_operations(content: str) -> Keyed:
    """Lines of "DEVICE Read 123"; "(unknown)" and the sums that the kernel adds are left out (blkio-controller.rst)."""
    found: Keyed = {}
    for line in content.splitlines():
        device, *rest = line.split()
        if _DEVICE.fullmatch(device) and len(rest) == 2 and rest[0] in ("Read", "Write"):
            found.setdefault(device, {})[rest[0]] = int(rest[1])
    return found


def _pair(figures: Keyed, device: str) -> tuple[int, int]:
    known = figures.get(device, {})
    return known.get("Read", 0), known.get("Write", 0)


def _joined(counts: Keyed, limits: Keyed) -> tuple[IoStat, ...]:
    devices = sorted(counts.keys() | limits.keys(), key=lambda name: [int(part) for part in name.split(":")])
    return tuple(_stat(device, counts.get(device, {}), limits.get(device, {})) for device in devices)


def _stat(device: str, counts: Mapping[str, int], limits: Mapping[str, int]) -> IoStat:
    read_bytes, write_bytes, reads, writes = (counts.get(key, 0) for key in _COUNTS)
    limit = IoLimit(device, *(limits.get(key) for key in _LIMITS))
    return IoStat(device, read_bytes, write_bytes, reads, writes, limit)
