"""Which OCI runtime makes the containers of a private engine: crun where one has really run under it, else runc.

crun starts a container some 20 ms sooner. Where cgroups of both versions are mounted ("hybrid") it refuses to work as
long as the version 2 tree lists controllers, although it would need none of them. The engine lives in a mount namespace
of its own, so there the list can be covered by an empty file (the tree stays usable: each container gets pressure files
in it), or else the tree be unmounted.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from sandboxes.kernel import host
from sandboxes.lifecycle import cache_folder
from sandboxes.lifecycle.guard import remove_cgroups

PROBE_S = 5.0
_PROBE = "probe"
_TREE = "/sys/fs/cgroup/unified"
TREES = {
    "as it is": ":",
    "covered": f"mount --bind /dev/null {_TREE}/cgroup.controllers",
    "unmounted": f"umount {_TREE}",
}
"""What can be done to the version 2 tree, as the engine alone sees it, and the shell command for it; best first."""


@dataclass(frozen=True)
class Runtime:
    """`name` is "crun" or "runc"; `tree`, one of TREES, is what it needs in the engine's mount namespace."""

    name: str
    tree: str = "as it is"

    @property
    def command(self) -> str:
        """To be run by the shell that launches the engine, in its namespaces."""
        return TREES[self.tree]

    @property
    def sees_pressure(self) -> bool:
        """Its containers are in the version 2 tree too, when there is one."""
        return self.tree != "unmounted"


def chosen_runtime(paths: Mapping[str, str], apart: Sequence[str] = ()) -> Runtime:
    """The first of crun's ways under which a container runs here, else runc.

    `paths` are those of crun (if it is there), docker-init, unshare; `apart` are unshare's words for a user namespace.
    Tried once for a crun, a kernel and a user (about 50 ms; others who ask meanwhile wait for the same answer), then
    known from the cache.
    """
    if "crun" not in paths:
        return Runtime("runc")
    where = _where(paths["crun"])
    with _verdict() as kept:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            known = json.loads(kept.read())
            if known["where"] == where:
                return Runtime(known["name"], known["tree"])
        ways = [Runtime("crun", tree) for tree in (TREES if host().cgroups == "hybrid" else ["as it is"])]
        found = next((way for way in ways if _runs(paths, way, apart)), Runtime("runc"))
        kept.seek(0)
        kept.truncate()
        json.dump({"where": where, **asdict(found)}, kept, indent=1)
        return found


def crun_wrapper(crun: str) -> str:
    """A script that is crun, but for updates: there dockerd's 0 means "as it was", and crun would write the 0."""
    zeros = r's/"(limit|reservation|kernel|kernelTCP|shares|weight|quota|period)":0([,}])/\2/g'
    commas = r"s/([{,]),+/\1/g; s/,+\}/}/g"
    return (
        "#!/bin/sh\n"
        f'case " $* " in *" update "*) sed -E \'{zeros}; {commas}\' | {crun} "$@" ;;\n'
        f'*) exec {crun} "$@" ;; esac\n'
    )


def _runs(paths: Mapping[str, str], way: Runtime, apart: Sequence[str]) -> bool:
    """A container with limits, whose one process is docker-init saying its version, ran under crun and ended well."""
    with tempfile.TemporaryDirectory(prefix="boundaries-") as folder:
        bundle = Path(folder)
        for name in ("dev", "proc"):
            (bundle / "root" / name).mkdir(parents=True)
        shutil.copy2(paths["docker-init"], bundle / "root/init")
        (bundle / "config.json").write_text(json.dumps(_bundle(limits=not apart)))
        crun = [paths["crun"], "--root", f"{folder}/state", "run", "--bundle", folder, _PROBE]
        alone = ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc"]
        try:
            command = [paths["unshare"], *apart, *alone, "sh", "-c", f'{way.command} && exec "$@"', "sh", *crun]
            done = subprocess.run(command, capture_output=True, timeout=PROBE_S, check=False, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return False
        finally:
            remove_cgroups(_PROBE)
        return done.returncode == 0


def _bundle(*, limits: bool) -> dict[str, Any]:
    """config.json of the OCI runtime specification."""
    kinds = ("pid", "mount", "ipc", "uts", "network")
    resources = {"memory": {"limit": 64 << 20}, "pids": {"limit": 16}, "cpu": {"quota": 50000, "period": 100000}}
    cgroup = {"cgroupsPath": f"/boundaries-{_PROBE}/{_PROBE}", "resources": resources}
    return {
        "ociVersion": "1.0.0",
        "process": {"user": {"uid": 0, "gid": 0}, "args": ["/init", "--version"], "cwd": "/", "env": ["PATH=/"]},
        "root": {"path": "root", "readonly": True},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {"namespaces": [{"type": kind} for kind in kinds], **(cgroup if limits else {})},
    }


def _where(crun: str) -> list[object]:
    """What the answer depends on: this crun, this kernel, how cgroups are mounted, who asks."""
    seen = os.stat(crun)
    return [crun, seen.st_size, seen.st_mtime_ns, platform.release(), host().cgroups, os.getuid()]


@contextlib.contextmanager
def _verdict() -> Iterator[IO[str]]:
    """What was learnt before, open for one process at a time (flock(2)); a part of it, after a crash, is no JSON."""
    with open(cache_folder() / "runtime.json", "a+") as kept:
        fcntl.flock(kept, fcntl.LOCK_EX)
        kept.seek(0)
        yield kept
