"""A book forgets to close, in every way a Python process can end, with everything that the library can start."""

from __future__ import annotations

import secrets
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from sandboxes.containers.finding import find_tiers
from tests.faults.books import ANSWERING, WAITING, book, gone, gone_after_s
from tests.machine import left_of

pytestmark = pytest.mark.usefixtures("engine_ready")

BOX = """
import os, threading, time
import sandboxes.containers as c
box = c.container()
box.start("sleep 1000")
"""
ENDINGS = {
    "at its end": "",
    "by sys.exit in a thread": "thread = threading.Thread(target=sys.exit, args=(3,)); thread.start(); thread.join()",
    "by an exception": "sys.stderr = open(os.devnull, 'w'); raise RuntimeError('forgot everything')",
    "by os._exit": "os._exit(3)",
    "while a thread starts containers": "threading.Thread(target=c.container, daemon=True).start(); time.sleep(0.02)",
    "after a forked child has ended": (
        "child = os.fork()\nif child == 0: sys.exit(0)\nos.waitpid(child, 0)\nassert box.run('echo here').stdout"
    ),
    "after a forked child has used a container of its own": (
        "child = os.fork()\nif child == 0:\n    c.container().run('true'); sys.exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\nassert box.run('echo here').stdout"
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_book_that_forgets_to_close_leaves_nothing(ending: str) -> None:
    with book(f"{BOX}\nprint('ready', flush=True)\n{ENDINGS[ending]}\n") as forgetful:
        assert forgetful.read() == "ready"
        assert forgetful.end() == []
        expected = {"by an exception": 1, "by os._exit": 3}
        assert forgetful.process.returncode == expected.get(ending, 0)
        gone(forgetful, 3.0)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda how: how.name)
def test_a_book_that_is_told_to_end_leaves_nothing(how: signal.Signals) -> None:
    with book(f"{BOX}\nprint('ready', flush=True)\nsys.stderr.close()\ntime.sleep(1000)\n") as told:
        assert told.read() == "ready"
        told.process.send_signal(how)
        told.end()
        gone(told, 3.0)


EVERYTHING = """
import time
import sandboxes.containers as c
from sandboxes.errors import LimitIgnored
network = c.network()
kept = [c.container(network=network, profile="open"), c.container(ports={8080: None}, network=True)]
try:
    kept.append(c.container(io="1M", files={"/scratch/file": "text"}))
except LimitIgnored:
    pass
kept.append(c.container())
kept[-1].pause()
warm = c.pool(2)
kept.append(warm.take())
for box in kept[:-2]:
    kept.append(box.start("while :; do :; done"))
terminal = kept[0].terminal()
"""


@pytest.mark.parametrize("how", ["killed", "killed with its guard", "ended"])
def test_of_everything_that_can_be_started_nothing_is_left(how: str) -> None:
    with book(EVERYTHING + WAITING) as busy:
        assert busy.read() == "ready"
        assert len(left_of(busy.id)) > 20
        if how == "ended":
            busy.end()
            assert busy.process.returncode == 0
        else:
            busy.kill(guard="guard" in how)
    if "guard" in how:
        with book("") as next_one:
            next_one.end()
    gone(busy, 5.0)


@pytest.mark.parametrize("tier", ["private", "podman"])
def test_nothing_is_left_of_a_killed_book_s_engine(tier: str) -> None:
    found = [one.state for one in find_tiers() if one.name == tier]
    if found == ["not here"]:
        pytest.skip(f"no {tier} engine can be had here")
    with book(ANSWERING, BOUNDARIES_ENGINE=tier) as killed:
        assert killed.ask("here") == "here"
        killed.kill()
    gone(killed, 3.0)


BY_HAND = """
from sandboxes import bare
from sandboxes.bare.wanted import PARTS
boxes = [bare.container(without=part) for part in ("pid", *PARTS)]
for box in boxes:
    box.run("setsid env -i sleep SECONDS </dev/null >/dev/null 2>&1 &")
"""


def sleeping(seconds: str) -> list[int]:
    """Pids of `sleep seconds` anywhere on this machine."""
    wanted = f"sleep\0{seconds}\0".encode()
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if file.read_bytes() == wanted:
                found.append(int(file.parts[2]))
    return found


@pytest.mark.parametrize("how", ["killed", "killed with its guard", "ended"])
def test_containers_by_hand_go_whatever_was_left_out_of_them(how: str) -> None:
    seconds = str(100_000_000 + secrets.randbelow(100_000_000))
    with book(BY_HAND.replace("SECONDS", seconds) + WAITING) as maker:
        assert maker.read() == "ready"
        until = time.monotonic() + 5
        while len(found := sleeping(seconds)) < 11 and time.monotonic() < until:
            time.sleep(0.01)
        assert len(found) == 11
        if how == "ended":
            maker.end()
        else:
            maker.kill(guard="guard" in how)
    if "guard" in how:
        with book("") as next_one:
            next_one.end()
    gone(maker, 5.0)
    gone_after_s(lambda: map(str, sleeping(seconds)), 1.0)
