"""Bad moments for an owner, its guard and a sweep; each once left something behind, or would."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandboxes.lifecycle import guard, owner, runtime_folder, sweep
from tests.faults.books import WAITING, Book, book, gone, python
from tests.machine import Photograph, births, left_of, settled

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="mounts and cgroups need root")
SLEEPING = """
import os, subprocess
mine = owner().environment()
subprocess.Popen(["sleep", "1000"], env=mine, start_new_session=True, stdout=subprocess.DEVNULL)
"""


@pytest.fixture
def quiet() -> Photograph:
    owner()
    return Photograph.take()


def dead(script: str, *, guard_too: bool = False) -> Book:
    """A book that did all of a script and was killed."""
    died = Book(script + WAITING)
    assert died.read() == "ready"
    died.kill(guard=guard_too)
    return died


def swept() -> int:
    done = python("from sandboxes.lifecycle.sweep import sweep; print(sweep())")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def waiting() -> int:
    """Dead owners of other tests that stay, because an engine that they used has still to be told."""
    swept()
    return swept()


def test_an_owner_that_died_while_it_made_its_folder_is_swept(quiet: Photograph) -> None:
    others = waiting()
    (runtime_folder() / "0123456789ab").mkdir()
    assert swept() == others + 1
    assert settled(quiet, 1.0) == {}


def test_sweeps_at_the_same_time_as_starts_and_ends_do_not_disturb_each_other(quiet: Photograph) -> None:
    for number in range(20):
        (runtime_folder() / f"{number:012x}").mkdir()
    crowd = "from sandboxes.lifecycle import owner, sweep\nfor _ in range(10): owner().close(); sweep.sweep()\n"
    running = [subprocess.Popen([sys.executable, "-c", crowd], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate(timeout=60)[1] for process in running]
    assert said == [""] * 3
    assert settled(quiet, 2.0) == {}


def test_a_living_owner_whose_folder_was_removed_still_takes_its_processes_along(quiet: Photograph) -> None:
    died = dead(SLEEPING + "import shutil; shutil.rmtree(owner().folder)\n")
    gone(died, 2.0)
    assert settled(quiet, 2.0) == {}


def test_a_process_that_was_about_to_be_started_when_its_owner_died_is_found() -> None:
    script = (
        f"{SLEEPING}\nparent = os.getpid()\nif os.fork() == 0:\n"
        "    import time\n    os.close(1)\n"
        "    while os.getppid() == parent: time.sleep(0.01)\n"
        "    time.sleep(0.1)\n"
        "    os.execve('/bin/sleep', ['sleep', '1000'], mine)\n"
    )
    died = dead(script)
    time.sleep(guard.SECOND_LOOK_S + 0.3)
    gone(died, 1.0)


def test_a_forked_child_does_not_keep_its_dead_parent_s_lock() -> None:
    script = f"{SLEEPING}\nimport time\nif os.fork() == 0:\n    os.close(1)\n    time.sleep(4)\n    os._exit(0)\n"
    died = dead(script, guard_too=True)
    assert left_of(died.id), "nobody was there to clean up"
    assert swept() >= 1
    gone(died, 0.5)


def test_a_process_that_becomes_another_program_is_swept_and_not_harmed() -> None:
    with book(f"{SLEEPING}\nprint('now', flush=True)\nos.execv('/bin/sleep', ['sleep', '1000'])\n") as other:
        assert other.read() == "now"
        time.sleep(0.2)
        assert swept() >= 1
        gone(other, 0.5)
        assert other.process.poll() is None


def test_an_owner_inside_another_owner_s_process_has_a_guard_that_outlives_both() -> None:
    with book(SLEEPING + WAITING, **{guard.MARK: "feedfeedfeed"}) as inner:
        assert inner.read() == "ready"
        guard.kill_marked("feedfeedfeed")
        assert inner.process.wait(2) < 0
        gone(inner, 2.0)


def test_without_a_guard_nothing_starts_and_one_error_says_so(quiet: Photograph) -> None:
    done = python(
        "import sys; from sandboxes.lifecycle import owner; from sandboxes.errors import StartFailed\n"
        "sys.executable = '/nonexistent'\n"
        "try: owner()\nexcept StartFailed as error: print(error)\n"
    )
    assert "did not start" in done.stdout and "/nonexistent" in done.stdout, done.stderr
    assert settled(quiet, 1.0) == {}


def letter(folder: Path, *argv: str) -> Path:
    """What a dead owner left to be run."""
    (folder / "farewell").mkdir(parents=True, exist_ok=True)
    (folder / "lock").touch()
    path = folder / "farewell" / "letter.json"
    path.write_text(json.dumps(argv))
    return path


def test_a_farewell_that_failed_is_said_again_later(tmp_path: Path) -> None:
    others = waiting()
    path = letter(runtime_folder() / "0123456789ab", "test", "-e", str(tmp_path / "engine"))
    assert swept() == others + 1
    assert path.exists(), "the engine does not answer yet"
    (tmp_path / "engine").touch()
    assert swept() == others + 1
    assert path.exists(), "who starts a book now does not wait for that engine again"
    os.utime(path)
    assert swept() == others + 1
    assert not path.parents[1].exists()


def test_a_farewell_that_fails_for_a_week_is_given_up(tmp_path: Path) -> None:
    folder = tmp_path / "0123456789ab"
    letter(folder, "false")
    guard.reap(folder.name, folder)
    assert folder.exists()
    os.utime(folder / "lock", (0, 0))
    os.utime(folder / "farewell/letter.json")
    guard.reap(folder.name, folder)
    assert not folder.exists()


def test_a_farewell_that_hangs_is_ended_and_does_not_delay_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "FAREWELL_S", 1.0)
    letter(tmp_path, "sleep", "1000")
    begun = time.monotonic()
    guard.say_farewell(tmp_path)
    assert 1 <= time.monotonic() - begun < 60
    begun = time.monotonic()
    guard.say_farewell(tmp_path)
    assert time.monotonic() - begun < 1


@root_only
def test_what_is_mounted_in_an_owner_s_folder_is_taken_off_and_not_removed(tmp_path: Path, quiet: Photograph) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "inner").mkdir()
    died = dead(
        "import subprocess\nplace = owner().folder / 'a place'\nplace.mkdir()\n"
        f"subprocess.run(['mount', '--bind', '{tmp_path}', place], check=True)\n"
        "subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', place / 'inner'], check=True)\n"
    )
    gone(died, 2.0)
    assert settled(quiet, 2.0) == {}
    assert (tmp_path / "precious").read_text() == "mine"


IN_CGROUP = """
import subprocess
from pathlib import Path
place = Path("{base}", "boundaries-" + owner().id, "inner")
place.mkdir(parents=True)
bare = subprocess.Popen(["sleep", "1000"], env={{}}, start_new_session=True)
(place / "cgroup.procs").write_text(str(bare.pid))
"""


def hierarchy(file: str) -> str:
    """Where a cgroup with such a file can be made: the mount point of a hierarchy."""
    for base in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*/")):
        place = base / f"boundaries-{secrets.token_hex(6)}"
        if (base / "cgroup.procs").exists():
            place.mkdir()
            found = (place / file).exists()
            place.rmdir()
            if found:
                return str(base)
    pytest.skip(f"no hierarchy has {file}")


@root_only
@pytest.mark.parametrize("frozen", [False, True], ids=["running", "frozen"])
def test_a_member_of_an_owner_s_cgroup_dies_without_a_mark(frozen: bool) -> None:
    base = hierarchy("freezer.state" if frozen else "cgroup.procs")
    freeze = "(place / 'freezer.state').write_text('FROZEN')\n" if frozen else ""
    died = dead(IN_CGROUP.format(base=base) + freeze)
    gone(died, 3.0)


@root_only
def test_an_owner_that_is_a_member_of_its_own_cgroup_can_close() -> None:
    base = hierarchy("cgroup.procs")
    script = (
        f"from pathlib import Path\nimport os\nplace = Path('{base}', 'boundaries-' + owner().id)\nplace.mkdir()\n"
        "(place / 'cgroup.procs').write_text(str(os.getpid()))\n"
    )
    with book(script) as member:
        assert member.end() == []
        assert member.process.returncode == 0
        gone(member, 5.0)


def test_books_with_runtime_folders_of_their_own_never_sweep_each_other() -> None:
    died = dead(SLEEPING, guard_too=True)
    apart = births().base / "apart"
    done = python("from sandboxes.lifecycle.sweep import *; print(sweep()); leave()", BOUNDARIES_RUNTIME=str(apart))
    assert done.stdout == "0\n", done.stderr
    assert left_of(died.id)
    assert list(apart.iterdir()) == [], "leave() removed the empty folder"
    apart.rmdir()
    assert swept() >= 1
    gone(died, 0.5)


def test_the_runtime_folder_stays_while_somebody_lives_in_it() -> None:
    assert owner().folder.is_dir()
    sweep.leave()
    assert owner().folder.is_dir()
