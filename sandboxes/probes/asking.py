"""The same list of probes, asked in several places."""

from __future__ import annotations

import secrets
from collections.abc import Collection

from sandboxes import request
from sandboxes.errors import BadRequest, StartFailed
from sandboxes.model import Place, Probe, ProbeMatrix, Standing
from sandboxes.probes.attribution import decide
from sandboxes.probes.bait import bait
from sandboxes.probes.barriers import Case
from sandboxes.probes.questions import PROBES
from sandboxes.probes.script import parts, script, standing
from sandboxes.sandbox import host

ANSWERS_S = 120.0


def probe(*places: Place, only: Collection[str] | None = None) -> ProbeMatrix:
    """Ask every place the same harmless questions, one after the other, and say what let each pass or stopped it.

    `only` picks probes by id. Nothing on the host or in a place is different afterwards, except that a kernel may have
    loaded a module that it was asked about; each probe says why, and which (`harmless_because`). Two commands a place:
    about 0.2 s on the host and in a container, 1 s in an emulated guest.

    Raises BadRequest for no place, two of one name, or an unknown id; StartFailed when a place cannot run the script
    (it needs `sh`, `cat`, `cut`, `ls`, `grep`, `mktemp`); SandboxGone or RunTimeout from a place. Source: the
    manual page of each call; capabilities(7), seccomp(2), namespaces(7), mount(8).
    """
    request.count("places", len(places), least=1, most=12)
    names = [place.name for place in places]
    if len(set(names)) < len(names):
        raise BadRequest("places", "have one name twice.", seen=", ".join(names), remedy="give each a name of its own")
    chosen = _chosen(only)
    with bait() as variables:
        here, _ = _ask(host(), (), variables)
        asked = [_ask(place, chosen, variables) for place in places]
    return _matrix(chosen, asked, here)


def _chosen(only: Collection[str] | None) -> tuple[Probe, ...]:
    known = {one.id for one in PROBES}
    for id_ in only or ():
        request.one_of("only", id_, known)
    return tuple(one for one in PROBES if only is None or one.id in only)


def _ask(place: Place, probes: tuple[Probe, ...], variables: dict[str, str]) -> tuple[Standing, dict[str, str]]:
    word = f"probe-{secrets.token_hex(8)}"
    bring = place.run("command -v syscall").exit_code != 0
    done = place.run(script(probes, variables, word, bring=bring), timeout_s=ANSWERS_S)
    try:
        facts, said = parts(done.stdout, word)
        return standing(facts, place.name, place.kind, done.wall_ms), said
    except (ValueError, KeyError, TypeError) as error:
        raise StartFailed(
            f"The probes cannot be asked in {place.name}.",
            seen=f"{error}; {done.stderr.strip()[-200:]}",
            remedy="pick an image with a shell, /proc and the usual programs, such as the book's own",
        ) from error


def _matrix(probes: tuple[Probe, ...], asked: list[tuple[Standing, dict[str, str]]], here: Standing) -> ProbeMatrix:
    rows = []
    for one in probes:
        words = [(who, _last(said[one.id])) for who, said in asked]
        rows.append(tuple(decide(Case(one, word, who, here, _built_in(words, who.boot_id))) for who, word in words))
    differing = tuple(row[0].probe for row in rows if len({cell.verdict for cell in row}) > 1)
    return ProbeMatrix(probes, tuple(who for who, _ in asked), tuple(rows), differing)


def _built_in(words: list[tuple[Standing, str]], boot_id: str) -> bool | None:
    """Whether the kernel with this boot id has the call, as far as places without a filter tell."""
    said = [word for who, word in words if who.boot_id == boot_id and who.privileges.seccomp != "filter"]
    return None if not said else "ENOSYS" not in said


def _last(said: str) -> str:
    return (said.split() or [""])[-1]
