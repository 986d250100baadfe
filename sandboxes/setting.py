"""Where, as whom and with which input one command runs: checked before it is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from sandboxes.errors import BadRequest
from sandboxes.files import MOST_BYTES
from sandboxes.output import Told

ENVIRONMENT_BYTES = 64 << 10
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_USER = re.compile(r"[a-z0-9_][a-z0-9_-]{0,31}(:[a-z0-9_][a-z0-9_-]{0,31})?")


@dataclass(frozen=True)
class Setting:
    """Where and as whom a command runs; empty: as other commands in its sandbox do. Input is at its end from the
    start when `input` is None."""

    cwd: str = ""
    user: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    input: bytes | None = None

    @property
    def usual(self) -> bool:
        """Nothing was asked for."""
        return self == Setting()


USUAL = Setting()


def setting(
    stdin: str | bytes | None,
    cwd: str | None,
    user: str | None,
    env: Mapping[str, str] | None,
    output: Told | None,
) -> Setting:
    """Raises BadRequest, naming the argument."""
    if output is not None and not callable(output):
        raise BadRequest("output", "cannot be called.", seen=repr(output)[:80], remedy="a function (stream, text)")
    if cwd is not None and not (isinstance(cwd, str) and cwd.startswith("/") and "\0" not in cwd):
        raise BadRequest("cwd", "is no absolute path.", seen=repr(cwd)[:80], remedy='such as "/tmp"')
    if user is not None and not (isinstance(user, str) and _USER.fullmatch(user)):
        raise BadRequest("user", "is no name of a user.", seen=repr(user)[:80], remedy='"root", "1000" or "1000:1000"')
    return Setting(cwd or "", user or "", environment(env), _input(stdin))


def environment(env: Mapping[str, str] | None) -> dict[str, str]:
    """Variables as a program can get them (environ(7)). Raises BadRequest."""
    remedy = '{"NAME": "text"}: letters, digits and _, and a text without NUL'
    if env is None:
        return {}
    if not isinstance(env, Mapping):
        raise BadRequest("env", "is no table.", seen=repr(env)[:80], remedy=remedy)
    for name, value in env.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise BadRequest("env", "has a name that works nowhere.", seen=repr(name)[:80], remedy=remedy)
        if not isinstance(value, str) or "\0" in value:
            raise BadRequest("env", f"has no text for {name}.", seen=repr(value)[:80], remedy=remedy)
    if sum(len(name) + len(value) for name, value in env.items()) > ENVIRONMENT_BYTES:
        raise BadRequest("env", "is too large.", seen=f"{len(env)} variables", remedy=f"{ENVIRONMENT_BYTES:,} bytes")
    return dict(env)


def _input(stdin: str | bytes | None) -> bytes | None:
    if stdin is None:
        return None
    if not isinstance(stdin, str | bytes):
        raise BadRequest("stdin", "is neither text nor bytes.", seen=repr(stdin)[:80], remedy='"two\\nlines\\n"')
    data = stdin.encode(errors="surrogateescape") if isinstance(stdin, str) else stdin
    if len(data) > MOST_BYTES:
        seen = f"{len(data):,} bytes"
        raise BadRequest("stdin", "is too long.", seen=seen, remedy=f"{MOST_BYTES >> 20} MiB at the most; put() a file")
    return data
