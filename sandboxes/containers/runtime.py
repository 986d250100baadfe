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
import secrets
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from sandboxes.kernel import host
from sandboxes.lifecycle import MARK, cache_folder, guard, sweep

PROBE_S = 5.0
_TREE = "/sys/fs/cgroup/unified"
TREES = {
    "as it is": ":",
    "covered": f"mount --bind /dev/null {_TREE}/cgroup.controllers",
    "unmounted": f"umount {_TREE}",
}
"""What can be done to the version 2 tree, as the engine alone sees it, and the shell command for it; best first."""
_FILL_ROOT = """
mount -t tmpfs -o mode=755 tmpfs "$2"
mkdir "$2/dev" "$2/proc"
cp "$1" "$2/init"
shift 2
exec "$@"
"""


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
    known from the cache. A trial that takes too long says nothing about crun: runc now, and the next time it is tried
    again.
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
        try:
            found = next((way for way in ways if _runs(paths, way, apart)), Runtime("runc"))
        except subprocess.TimeoutExpired:
            return Runtime("runc")
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
    """A container with limits, whose one process is docker-init saying its version, ran under crun and ended well.

    Its root is in the memory of its mount namespace, as our folder may be where nothing is executed.
    Raises subprocess.TimeoutExpired.
    """
    with _trial() as folder:
        probe, alone = folder.name, ("--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=SIGKILL")
        (folder / "root").mkdir()
        (folder / "config.json").write_text(json.dumps(_bundle("" if apart else f"/boundaries-{probe}/{probe}")))
        script = f"set -e\n{way.command}\n{_FILL_ROOT}"
        fill = [paths["unshare"], *apart, *alone, "--mount-proc", "sh", "-c", script, "sh", paths["docker-init"]]
        crun = [paths["crun"], "--root", f"{folder}/state", "run", "--bundle", str(folder), probe]
        environment = {**os.environ, MARK: probe}
        quiet = subprocess.DEVNULL
        done = subprocess.run(
            [*fill, str(folder / "root"), *crun],
            env=environment,
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
            timeout=PROBE_S,
            check=False,
        )
        return done.returncode == 0


@contextlib.contextmanager
def _trial() -> Iterator[Path]:
    """A folder whose name marks what a trial starts; all of it goes in the end, or with the next sweep.

    It is locked like an owner's, and each trial has one of its own: another user, or one with another cache, may be
    trying at the same time.
    """
    with sweep.locked() as runtime:
        folder = runtime / f"probe-{secrets.token_hex(4)}"
        folder.mkdir(mode=0o700)
        handle = sweep.lock(folder)
    try:
        yield folder
    finally:
        guard.reap(folder.name, folder)
        os.close(handle)


def _bundle(cgroup_path: str) -> dict[str, Any]:
    """config.json of the OCI runtime specification; without a path of a cgroup, no limits."""
    kinds = ("pid", "mount", "ipc", "uts", "network")
    resources = {"memory": {"limit": 64 << 20}, "pids": {"limit": 16}, "cpu": {"quota": 50000, "period": 100000}}
    cgroup = {"cgroupsPath": cgroup_path, "resources": resources}
    return {
        "ociVersion": "1.0.0",
        "process": {"user": {"uid": 0, "gid": 0}, "args": ["/init", "--version"], "cwd": "/", "env": ["PATH=/"]},
        "root": {"path": "root", "readonly": True},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {"namespaces": [{"type": kind} for kind in kinds], **(cgroup if cgroup_path else {})},
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
