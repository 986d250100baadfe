"""Which processes of a container belong to one command."""

from __future__ import annotations

from sandboxes.containers.ending import Member, of_command, session


def member(pid: int, ppid: int, inside: int, *, session: int, marked: bool = False) -> Member:
    return Member(pid, ppid, stopped=False, inside=(pid, pid - 1000, inside), session=session, marked=marked)


INIT = member(2001, 1999, 1, session=2001)
SLEEP = member(2002, 2001, 2, session=2001)
OTHER = member(2050, 1999, 9, session=2049)


def pids(*more: Member, first: int) -> list[int]:
    return [one.pid for one in of_command([INIT, SLEEP, OTHER, *more], first)]


def test_the_first_process_is_known_by_the_number_that_the_engine_gives_it() -> None:
    assert pids(member(2010, 1999, 3, session=2009), first=1010) == [2010]
    assert pids(member(2010, 1999, 3, session=2009), first=0) == []


def test_mark_descent_and_session_lead_to_the_others_and_to_nobody_else() -> None:
    marked = member(2020, 2001, 4, session=2020, marked=True)
    child = member(2021, 2020, 5, session=2021)
    mate = member(2022, 2001, 6, session=2021)
    assert pids(mate, child, marked, first=0) == [2022, 2021, 2020]


def test_the_session_of_the_container_s_first_process_is_nobody_s_own() -> None:
    assert pids(member(2030, 2001, 7, session=2001, marked=True), first=0) == [2030]


def test_what_was_the_command_s_a_moment_ago_still_is_while_it_ends() -> None:
    ending = member(2040, 2001, 8, session=2039)
    assert of_command([INIT, SLEEP, ending], 0) == []
    assert of_command([INIT, SLEEP, ending], 0, {2039, 2001}) == [ending]


def test_a_session_is_told_by_its_number_here() -> None:
    assert session("NSpid:\t5829\t85\t4\nNSsid:\t5827\t83\t0\n") == 5827
    assert session("NSpid:\t5829\n") == 0
