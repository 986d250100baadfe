"""A Dockerfile before it is built: what it starts from, so that nothing is fetched from a network unasked.

Source: Dockerfile reference, "FROM", "COPY --from", "ADD", "Parser directives".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from sandboxes.errors import BadRequest

LONGEST = 64 << 10
_FROM = re.compile(r"^(\s*FROM\s+(?:--\S+\s+)*)(\S+)((?:\s+AS\s+(\S+))?\s*)$", re.IGNORECASE)
_ADD = re.compile(r"^\s*(?:ONBUILD\s+)*ADD\s+(.*)\s\S", re.IGNORECASE)
"""Everything between the instruction and its last word, which is the target."""

_COPY_FROM = re.compile(r"^(\s*(?:COPY|ADD)\s+(?:--\S+\s+)*?--from=)(\S+)", re.IGNORECASE)


def checked(text: str) -> str:
    """The text, with each instruction on one line. Raises BadRequest unless it begins with FROM, and for a URL in ADD:
    the engine would fetch it itself, over whatever network it has.
    """
    if not isinstance(text, str) or not text.strip():
        raise _refused(
            "is no text of a Dockerfile.", repr(text)[:80], 'such as "FROM busybox\\nRUN echo hello > /hello"'
        )
    if len(text) > LONGEST or "\0" in text:
        raise _refused("is too long, or has a NUL in it.", f"{len(text):,} characters", f"at most {LONGEST:,}")
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\[ \t]*\n", " ", "\n".join(lines))
    words = [line.split()[0].upper() for line in joined.split("\n") if line.strip()]
    if not words or next((word for word in words if word != "ARG"), "") != "FROM":
        raise _refused("does not begin with FROM.", words[0] if words else "nothing", "FROM busybox, as the first line")
    for line in joined.split("\n"):
        _refuse_fetching(line)
    return joined


def resolved(text: str, find: Callable[[str], str], labels: Mapping[str, str]) -> str:
    """The checked text with each image that it starts from or copies from as `find` calls it.

    Every stage gets the labels, so that what a failed build leaves behind carries them too. Raises BadRequest for a
    variable in an image's name, and what `find` raises.
    """
    stages: set[str] = set()
    lines = []
    label = "LABEL " + " ".join(f'"{key}"="{value}"' for key, value in labels.items())

    def place(name: str) -> str:
        if "$" in name:
            raise _refused("has a variable in the name of an image.", name[:80], "write the name itself")
        return name if name.lower() in stages or name.isdigit() or name == "scratch" else find(name)

    for line in text.strip("\n").split("\n"):
        if starts := _FROM.match(line):
            lines += [f"{starts[1]}{place(starts[2])}{starts[3]}", label]
            stages |= {starts[4].lower()} if starts[4] else set()
        elif copies := _COPY_FROM.match(line):
            lines.append(f"{copies[1]}{place(copies[2])}{line[copies.end() :]}")
        elif re.match(r"\s*FROM\b", line, re.IGNORECASE):
            raise _refused("has a FROM that is not understood.", line[:80], "FROM name, or FROM name AS stage")
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def _refuse_fetching(line: str) -> None:
    """A variable, an escape or quotes may hide a URL, so that the first two are refused in a source of ADD as well."""
    adds = _ADD.match(line)
    if adds and ("://" in adds[1].replace('"', "").replace("'", "") or set(adds[1]) & set("$\\")):
        raise _refused(
            "has an ADD with a URL, a variable or a backslash in its source.", line.strip()[:80], "files= and COPY"
        )


def _refused(what: str, seen: str, remedy: str) -> BadRequest:
    return BadRequest("dockerfile", what, seen=seen, remedy=remedy)
