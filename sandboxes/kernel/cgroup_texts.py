"""The figures of a version 2 cgroup out of the texts of its files: one that is not on this machine, but in a guest."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from sandboxes.kernel import cgroup_io, cgroup_v1, cgroup_v2
from sandboxes.kernel.cgroup_files import Files, flat_keyed, missing
from sandboxes.kernel.pressure import pressure_in
from sandboxes.model import CgroupDetails, CgroupSample


class Texts(Files):
    """Files that were read already. `texts` maps their names to what was in them."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        super().__init__()
        self._texts = texts

    def text(self, figure: str, path: Path) -> str:
        """The file's text. Raises FileNotFoundError."""
        if path.name not in self._texts:
            raise FileNotFoundError(2, "no such file in this cgroup", str(path))
        self.used[figure] = str(path)
        return self._texts[path.name]


def sample_of(folder: Path, texts: Mapping[str, str]) -> CgroupSample:
    """As sample(). `folder` is where the texts were read. Raises Unavailable when a controller is not switched on."""
    files, at_s = Texts(texts), time.monotonic()
    try:
        return CgroupSample(
            at_s,
            "v2",
            cgroup_v2.cpu(files, folder),
            cgroup_v2.memory(files, folder),
            cgroup_v1.pids(files, folder),  # the same files in both versions
            files.used,
        )
    except FileNotFoundError as error:
        raise missing(error.filename) from error


def details_of(folder: Path, texts: Mapping[str, str]) -> CgroupDetails:
    """As details(); a figure that is not among the texts is None."""
    files, at_s = Texts(texts), time.monotonic()
    cpus = files.maybe("cpuset.cpus", folder / "cpuset.cpus.effective")
    return CgroupDetails(
        at_s=at_s,
        version="v2",
        cpu_weight=cgroup_v2.number(files, "cpu.weight", folder / "cpu.weight"),
        cpuset_cpus=cpus.strip() if cpus is not None else None,
        memory_high_bytes=cgroup_v2.number(files, "memory.high", folder / "memory.high"),
        memory_parts=cgroup_v2.memory_parts(files, folder),
        swap=cgroup_v2.swap(files, folder),
        pids_peak=cgroup_v2.number(files, "pids.peak", folder / "pids.peak"),
        io=cgroup_io.version_2(files, folder),
        pressure=pressure_in(folder, files),
        frozen=flat_keyed(files.maybe("frozen", folder / "cgroup.events") or "").get("frozen") == 1,
        files=files.used,
    )
