"""The probes asked by a user without privileges, and in that user's own containers, whose root is nobody outside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes.lifecycle import RUNTIME
from tests.machine import SESSION

ROOT = Path(__file__).resolve().parents[2]
USER, FIRST, COUNT = 9876, 200_000, 65_536
PYTHON = "/usr/bin/python3"
NEEDED = ("unshare", "setpriv", "newuidmap", "dockerd", PYTHON)

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become the user of this test"),
    pytest.mark.skipif(not all(map(shutil.which, NEEDED)), reason=f"needs {', '.join(NEEDED)}"),
]

Answers = tuple[dict[str, list[int]], dict[str, dict[str, str]]]
"""Numbers of uid maps outside, and verdicts by probe: each by place."""

AS_USER = """
set -e
mount -t overlay -o "lowerdir=$1:/etc" overlay /etc
user=$2
shift 2
exec setpriv --reuid "$user" --regid "$user" --clear-groups "$@"
"""
"""In a mount namespace of its own there is one user more; the machine's /etc stays as it is."""

ASK = """
import json
from sandboxes import containers, sandbox
from sandboxes.probes import probe
with containers.container(name="rootless", profile="open") as box, containers.container(name="hardened") as hard:
    matrix = probe(sandbox.host(), box, hard)
maps = {who.place: [one.outside for one in who.privileges.uid_map] for who in matrix.standings}
verdicts = {who.place: {cell.probe: cell.verdict for cell in matrix.column(who.place)} for who in matrix.standings}
print(json.dumps([maps, verdicts]))
"""


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """The user's; its name is short, because sockets lie below it (unix(7): 108 bytes)."""
    path = Path(tempfile.mkdtemp(prefix="b", dir="/tmp"))
    path.chmod(0o755)
    os.chown(path, USER, USER)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def answers(home: Path) -> Answers:
    """As a process of the user's saw them."""
    etc = home / "etc"
    etc.mkdir()
    (etc / "passwd").write_text(f"{Path('/etc/passwd').read_text()}nobodys:x:{USER}:{USER}::{home}:/bin/sh\n")
    for name in ("subuid", "subgid"):
        (etc / name).write_text(f"nobodys:{FIRST}:{COUNT}\n")
    os.mknod(etc / "docker", 0o020000, 0)  # a whiteout: a key of root's engine may be there
    environment = {
        "HOME": str(home),
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": f"{ROOT}:{sysconfig.get_paths()['purelib']}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "BOUNDARIES_ENGINE": "rootless",
        RUNTIME: str(home),
        SESSION: os.environ[SESSION],
    }
    apart = ["unshare", "--mount", "--propagation", "private", "sh", "-c", AS_USER, "sh", str(etc), str(USER)]
    done = subprocess.run(
        [*apart, PYTHON, "-c", ASK], env=environment, capture_output=True, text=True, timeout=120, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    maps, verdicts = json.loads(done.stdout.splitlines()[-1])
    return maps, verdicts


def test_every_probe_is_answered_for_a_user_without_privileges(answers: Answers) -> None:
    maps, verdicts = answers
    assert set(verdicts) == {"host", "rootless", "hardened"}
    assert (maps["host"], maps["rootless"]) == ([0], [USER, FIRST])
    for place, said in verdicts.items():
        assert not {one for one in said.values() if one in ("not asked", "denied: policy")}, place


def test_the_user_may_do_little_on_the_host(answers: Answers) -> None:
    said = answers[1]["host"]
    for id_ in ("mount", "set-clock", "set-hostname", "raw-socket", "change-user", "make-device", "reboot"):
        assert said[id_] == "denied: capability"
    assert said["write-core-pattern"] == "denied: file permission"
    assert said["see-host-process"] == said["read-host-memory"] == "reaches the host", "it is the user's own"


def test_root_in_a_rootless_container_is_stopped_at_the_edge_of_its_user_namespace(answers: Answers) -> None:
    said = answers[1]["rootless"]
    assert said["make-device"] == said["write-setting"] == said["write-core-pattern"] == "denied: user namespace"
    assert said["change-user"] == "allowed: process"
    assert said["write-root"] == said["give-file-away"] == "allowed: mnt namespace"
    assert said["see-host-process"] == "denied: namespace"


def test_a_hardened_rootless_container_may_do_less(answers: Answers) -> None:
    allowed = {
        place: {id_ for id_, verdict in said.items() if not verdict.startswith("denied")}
        for place, said in answers[1].items()
    }
    assert allowed["hardened"] < allowed["rootless"]
