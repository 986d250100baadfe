"""One script that asks all probes in one go, and what it prints read back.

Every part of its output begins with a random word, so that nothing a place says can be mistaken for another part.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from sandboxes.kernel import parse_links, parse_mounts, parse_privileges
from sandboxes.model import Probe, Standing
from sandboxes.syscall import syscall_program

_FACTS = {
    "status": "/proc/self/status",
    "uid_map": "/proc/self/uid_map",
    "gid_map": "/proc/self/gid_map",
    "boot_id": "/proc/sys/kernel/random/boot_id",
    "mountinfo": "/proc/self/mountinfo",
    "devices": "/sys/fs/cgroup/devices/devices.list",
}

_PROLOGUE = """\
bait=
for comm in /proc/[0-9]*/comm; do
    read -r name <"$comm" && [ "$name" = "$bait_name" ] && bait=${comm#/proc/} && bait=${bait%/comm}
done 2>/dev/null
"""

_BRING = """\
for folder in /tmp /dev/shm /run /var/tmp "$HOME"; do
    own=$(mktemp -d "$folder/asked-XXXXXX" 2>/dev/null) || continue
    printf 'PROGRAM' >"$own/syscall" && chmod -R 755 "$own"
    "$own/syscall" getpid >/dev/null 2>&1 && PATH=$own:$PATH && trap 'rm -rf "$own"' EXIT && break
    rm -rf "$own"
done
"""
"""To the first folder from which programs may be run."""


def script(probes: Sequence[Probe], variables: Mapping[str, str], word: str, *, bring: bool) -> str:
    """Text for `sh`: who asks, then every probe in a subshell. `word` is random and marks the parts.

    With `bring` it first puts `syscall` there, from 9 kB of text, and takes it away at the end.
    `syscall` ends itself after 5 s, so that no probe holds up the others.
    """
    set_ = "\n".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    facts = "\n".join(f"echo {word} {name}; cat {path} 2>/dev/null" for name, path in _FACTS.items())
    asked = "\n".join(f"echo {word} : {probe.id}\n({probe.command}) 2>&1" for probe in probes)
    program = "".join(f"\\{byte:03o}" for byte in syscall_program())
    brought = _BRING.replace("PROGRAM", program) if bring else ""
    return (
        f"{set_}\n{_PROLOGUE}{brought}{facts}\necho {word} namespaces; ls -l /proc/self/ns\n{asked}\necho {word} end\n"
    )


def parts(output: str, word: str) -> tuple[dict[str, str], dict[str, str]]:
    """Facts by name, and what each probe printed by its id. Raises ValueError when the script did not end."""
    pieces = output.split(f"{word} ")
    facts, said = {}, {}
    for piece in pieces[1:]:
        head, _, text = piece.partition("\n")
        if head.startswith(": "):
            said[head[2:]] = text.strip()
        else:
            facts[head] = text
    if "end" not in facts:
        raise ValueError(f"the script stopped after {(list(facts) + list(said) or ['nothing'])[-1]}")
    return facts, said


def standing(facts: Mapping[str, str], place: str, kind: str, wall_ms: float) -> Standing:
    """Who asked, from the facts. Raises KeyError or ValueError when /proc said less than it should."""
    return Standing(
        place=place,
        kind=kind,
        privileges=parse_privileges(facts["status"], facts["uid_map"], facts["gid_map"]),
        boot_id=facts["boot_id"].strip(),
        namespaces=parse_links(facts["namespaces"].splitlines()),
        mounts=parse_mounts(facts["mountinfo"]),
        devices=tuple(facts["devices"].splitlines()),
        wall_ms=wall_ms,
    )
