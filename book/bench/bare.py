"""A row about the container made by hand: its whole life, against that of the same container under crun."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from book.bench.row import Row, Tell
from sandboxes import bare, measure
from sandboxes.bare import calls, wanted
from sandboxes.bare.filter import DENIED
from sandboxes.bare.root import layers
from sandboxes.errors import Unavailable
from sandboxes.lifecycle import owner
from sandboxes.model import Measurement


def bare_vs_crun(pairs: int, tell: Tell) -> Measurement:
    """Asking → first answered command → everything gone, over `crun run` of the same files → its end."""
    with crun() as run:
        return measure.paired(
            "bare-vs-crun",
            ("bare.container()", bare_ms),
            ("crun run", lambda: run(["true"])[0]),
            pairs=pairs,
            tell=tell,
        )


def bare_ms() -> float:
    """The whole life of a container with one command; `crun run` as well returns when all is gone."""
    return sum(measure.life_ms(bare.container))


@contextlib.contextmanager
def crun() -> Iterator[Callable[[list[str]], tuple[float, str]]]:
    """A function that gives a command to one `crun run`: milliseconds from its start to its end, and what was said.

    crun refuses a machine with both versions of cgroups mounted, so it runs where the version 2 tree is not: in a mount
    namespace made once, beforehand. Entering it is part of its time: nsenter(1), less than a millisecond.
    Raises Unavailable when crun is not installed.
    """
    nsenter, program = shutil.which("nsenter"), shutil.which("crun")
    if nsenter is None or program is None:
        raise Unavailable("This row needs crun.", seen="no crun, or no nsenter, on PATH", remedy="apt-get install crun")
    folder = owner().folder / "crun"
    folder.mkdir(exist_ok=True)
    with bare.steps() as place:
        place.unshare("mnt")
        place.run("umount /sys/fs/cgroup/unified")

        def run(command: list[str]) -> tuple[float, str]:
            name = f"crun-{secrets.token_hex(4)}"
            (folder / "config.json").write_text(json.dumps(config(name, command)))
            enter = [nsenter, "--target", str(place.pid), "--mount"]
            words = [*enter, program, "--root", f"{folder}/state", "run", "--bundle", str(folder), name]
            began = time.perf_counter()
            done = subprocess.run(words, capture_output=True, text=True, env=owner().environment(), check=False)
            took_ms = (time.perf_counter() - began) * 1e3
            if done.returncode != 0:
                raise Unavailable("crun did not run.", seen=done.stderr.strip(), remedy="./textbook doctor")
            return took_ms, done.stdout

        yield run
    shutil.rmtree(folder)


def config(name: str, command: list[str]) -> dict[str, Any]:
    """What `bare.container()` makes, in the words of the OCI runtime specification; the root is mounted read-only.

    It gets no overlay: that one spares crun a mount.
    """
    folder, lower = layers(0)
    asked = wanted.limits(wanted.DEFAULT_MEMORY, wanted.DEFAULT_CPUS, wanted.DEFAULT_PIDS)
    quiet = ["nosuid", "noexec", "nodev"]
    return {
        "ociVersion": "1.0.2",
        "hostname": name,
        "root": {"path": str(Path(folder, lower)), "readonly": True},
        "process": {
            "user": {"uid": wanted.READER, "gid": wanted.READER},
            "args": command,
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": {kind: [] for kind in ("bounding", "effective", "permitted", "inheritable", "ambient")},
            "noNewPrivileges": True,
        },
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": quiet},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*quiet, "ro"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"]},
        ],
        "linux": {
            "namespaces": [{"type": kind} for kind in ("mount", "pid", "network", "uts", "ipc", "cgroup")],
            "cgroupsPath": f"/boundaries-{owner().id}/{name}",
            "resources": {
                "memory": {"limit": asked.memory_bytes, "swap": (asked.memory_bytes or 0) + 4096},
                "cpu": {"quota": round((asked.cpus or 0) * 100_000), "period": 100_000},
                "pids": {"limit": asked.pids},
            },
            "maskedPaths": [f"/{path}" for path in calls.MASKED],
            "readonlyPaths": [f"/{path}" for path in calls.READ_ONLY],
            "seccomp": {
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"names": sorted(DENIED), "action": "SCMP_ACT_ERRNO", "errnoRet": 1}],
            },
        },
    }


ROWS = (Row("bare-vs-crun", bare_vs_crun, at_most=1.0),)
