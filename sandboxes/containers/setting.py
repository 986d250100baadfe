"""Where, as whom and with which input one command runs: checked before it is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sandboxes.containers.command import Setting
from sandboxes.containers.files import MOST_BYTES
from sandboxes.containers.wanted import environment
from sandboxes.errors import BadRequest
from sandboxes.output import Told

_USER = re.compile(r"[a-z0-9_][a-z0-9_-]{0,31}(:[a-z0-9_][a-z0-9_-]{0,31})?")


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
