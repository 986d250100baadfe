"""Guests of a user without privileges: everything works but what needs a cgroup, and that says so."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from sandboxes.guests.cache import guests_folder
from tests.live.unprivileged import user

pytestmark = [
    pytest.mark.usefixtures("guest_ready"),
    pytest.mark.skipif(os.geteuid() != 0, reason="making a user needs root"),
]

ASK = """
import json
from sandboxes.guests import guest
with guest(memory="128M", accelerator="tcg", say=lambda line: None) as vm:
    process = vm.hypervisor().process
    with vm.snapshot() as snapshot:
        vm.run("touch /tmp/new")
        vm.rollback(snapshot)
        back = vm.run("ls /tmp/new").exit_code
    squeezed = vm.balloon("96M", timeout_s=60)
    try:
        vm.limit(cpus=1)
        refused = ""
    except LimitIgnored as error:
        refused = error.seen
    ended = vm.stop(timeout_s=60)
print(json.dumps([process.cgroup, process.privileges.uid, process.privileges.seccomp, back, squeezed.guest_bytes[1],
                  refused, ended.how]))
"""


def test_a_user_without_privileges_has_guests_without_a_cgroup() -> None:
    with user() as somebody:
        cache = somebody.home / ".cache/boundaries/guests"
        shutil.copytree(guests_folder(), cache, ignore=shutil.ignore_patterns("templates", ".*"))
        subprocess.run(["chown", "-R", f"{somebody.name}:", str(somebody.home / ".cache")], check=True)
        said, errors = somebody.run(ASK)
        assert said, errors
        cgroup, uid, seccomp, back, left, refused, how = json.loads(said[-1])
        assert (cgroup, uid, seccomp) == (None, somebody.uid, "filter")
        assert (back, left, how) == (1, 96 << 20, "power button")
        assert "may not make a cgroup" in refused
