"""Users of a guest by number: its agent knows no names."""

from __future__ import annotations

from sandboxes.errors import BadRequest

TABLES = "cat /etc/passwd; echo ==; cat /etc/group"
"""Shell text; `numbers` reads what it prints."""


def numbers(user: str, tables: str) -> str:
    """ "UID:GID" for "name", "name:group" or numbers; without a group it is the user's own, or 0 for an unknown number.

    Raises BadRequest for a name that the guest does not know. Source: passwd(5), group(5).
    """
    passwd, _, group = tables.partition("==\n")
    name, _, asked = user.partition(":")
    uid, gid = _find(passwd, name)
    if asked:
        gid, _ = _find(group, asked)
    if uid is None or gid is None:
        known = ", ".join(line.partition(":")[0] for line in passwd.splitlines())
        raise BadRequest("user", "is not known in this guest.", seen=user, remedy=f"one of {known}, or numbers")
    return f"{uid}:{gid}"


def _find(table: str, wanted: str) -> tuple[str | None, str | None]:
    """The third field of the line with this name or number, and the fourth."""
    for line in table.splitlines():
        fields = line.split(":")
        if len(fields) > 3 and wanted in (fields[0], fields[2]):
            return fields[2], fields[3]
    return (wanted, "0") if wanted.isdigit() else (None, None)
