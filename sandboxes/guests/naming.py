"""Names of guests, which are their host names too."""

from __future__ import annotations

import re

from sandboxes.errors import BadRequest

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")


def host_name(name: str) -> str:
    """The name. Raises BadRequest when it cannot be one: hostname(7), and shorter."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise BadRequest(
        "name",
        "cannot be a host name.",
        seen=ascii(name)[:60],
        remedy="up to 32 of a-z, 0-9 and -, beginning with a letter, not ending with -",
    )
