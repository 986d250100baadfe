"""A small Debian with Python, ps, ip, ping and `syscall`: put together by mmdebstrap(1) from this machine's archives.

It is made once and kept in the cache; a changed recipe, distribution or processor makes another one.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from sandboxes import apt
from sandboxes.busybox import READER, Image
from sandboxes.errors import Unavailable
from sandboxes.kernel import host
from sandboxes.lifecycle import cache_folder, owner
from sandboxes.lifecycle.cache import kept
from sandboxes.syscall import syscall_program

REPOSITORY = "boundaries/debian"
PACKAGES = ("iproute2", "iputils-ping", "procps", "python3", "usr-is-merged")
WITHOUT = ("doc", "info", "lintian", "locale", "man")
"""Folders of /usr/share that dpkg leaves out: dpkg(1), --path-exclude."""
MAKE_S = 900.0
MERGED_USR = Path("/usr/share/mmdebstrap/hooks/merged-usr")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_PING = """
set -e
cd "$1"
cp usr/bin/ping usr/bin/.ping
chmod 755 usr/bin/.ping
mv usr/bin/.ping usr/bin/ping
"""
"""A copy has no file capabilities: with them execve(2) fails in a container that has dropped them; icmp(7),
ping_group_range, lets everybody ping without."""
_READER = f"""
set -e
cd "$1"
echo "reader:x:{READER}:{READER}:reader:/home/reader:/bin/bash" >> etc/passwd
echo "reader:x:{READER}:" >> etc/group
mkdir -p home/reader
chown {READER}:{READER} home/reader
"""
_CLEAN = """
set -e
cd "$1"
rm -rf etc/apt/sources.list etc/apt/apt.conf.d/99mmdebstrap etc/hostname etc/resolv.conf
rm -rf usr/share/common-licenses var/cache/ldconfig var/cache/debconf/*-old
"""
_SYSCALL = f"""
set -e
cd "$1"
printf '{"".join(f"{chr(92)}{byte:03o}" for byte in syscall_program())}' >usr/bin/syscall
chmod 755 usr/bin/syscall
"""
"""Probes need a program that makes system calls, and a hardened container has no place to bring one to."""
HOOKS = (_PING, _READER, _SYSCALL, _CLEAN)

Say = Callable[[str], None]


def debian_image(say: Say = print) -> Image:
    """The image, made when it is not in the cache (about half a minute; `say` hears that it begins), else in 0.1 s.

    Raises Unavailable without mmdebstrap, without apt's lists, or with the end of its log when it fails.
    """
    path = cache_folder() / "images" / f"debian-{_recipe()}.tar"

    def make(fresh: Path) -> None:
        program = shutil.which("mmdebstrap")
        if program is None:
            raise Unavailable(
                "The Debian image cannot be made: mmdebstrap is missing.",
                seen="no mmdebstrap on PATH",
                remedy="apt-get install mmdebstrap",
            )
        sources = apt.sources()
        say("making the Debian image: about half a minute, once")
        _bootstrap(program, sources, fresh)

    digest = kept(path, make)
    return Image(f"{REPOSITORY}:{digest[:16]}", path, PATH, "bash")


def _recipe() -> str:
    """What the image is made from, hashed: the release of this machine's distribution, its processor, and the steps.

    Newer versions of the same packages make no other image: the one in the cache stays as it is.
    """
    system = platform.freedesktop_os_release()
    parts = [system.get("ID"), system.get("VERSION_ID"), host().machine, PACKAGES, WITHOUT, HOOKS]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _bootstrap(program: str, sources: str, tar: Path) -> None:
    settings = tar.with_name("apt.conf")
    settings.write_text(apt.settings())
    environment = {**owner().environment(), "SOURCE_DATE_EPOCH": "0", "LC_ALL": "C"}
    if os.geteuid() == 0:  # another user's helper processes may not enter this folder
        environment["TMPDIR"] = str(tar.parent)
    with tar.open("wb") as output, tar.with_name("log").open("w+b") as log:
        process = subprocess.Popen(
            [*_apart(), program, *_options(settings), "", "-", "-"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=log,
            start_new_session=True,
        )
        try:
            process.communicate(sources.encode(), timeout=MAKE_S)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise _failed(log.name, f"no end within {MAKE_S:.0f} s") from error
            raise
    if process.returncode:
        raise _failed(log.name, f"exit status {process.returncode}")


def _apart() -> list[str]:
    """As root in namespaces of its own, so that its mounts and processes go with it, however it ends."""
    if os.geteuid() != 0:
        return []
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", "--propagation", "private"]


def _options(settings: Path) -> list[str]:
    merged = [f"--hook-dir={MERGED_USR}"] if MERGED_USR.is_dir() else []
    return [
        "--variant=essential",
        f"--include={','.join(PACKAGES)}",
        *merged,
        f"--aptopt={settings}",
        "--dpkgopt=force-unsafe-io",
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in WITHOUT),
        *(f"--customize-hook={hook}" for hook in HOOKS),
    ]


def _failed(log: str, ended: str) -> Unavailable:
    lines = [line for line in Path(log).read_text(errors="replace").splitlines() if line.strip()]
    tail = "\n".join(apt.without_addresses(line)[-200:] for line in lines[-8:])
    return Unavailable(
        "The Debian image could not be made.",
        seen=f"{ended}; the end of mmdebstrap's log:\n{tail}",
        remedy="apt-get update (as root) and a network to the archives, then try again",
    )
