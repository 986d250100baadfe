"""A domain beside dom0: its own kernel in its own memory, steered from dom0 with xl(1)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from sandboxes import request
from sandboxes.errors import BadRequest, RunTimeout, SandboxGone, Unavailable
from sandboxes.lifecycle import Closing
from sandboxes.model import Result, XenDomain

LOOK_S = 0.5
"""Looking costs two commands in dom0, which has one processor for itself and for the domain."""
LONGEST_WAIT_S = 3600.0
LONGEST_TEXT = 2000
SHOWN_BYTES = 128 << 10

TYPE = 'cat >"$(xenstore read "/local/domain/$1/console/tty")"'
"""Shell text for a domain's id. Source: docs/misc/console.txt: xenconsoled notes there which terminal it made."""

_ASKS_SIZE = "\x1b[6n"
"""With this the shell asks a terminal where its cursor is (console_codes(4)); nobody answers."""


class _Dom0(Protocol):
    @property
    def name(self) -> str: ...
    def run(self, command: Sequence[str], *, stdin: str | None = ...) -> Result: ...
    def domains(self) -> tuple[XenDomain, ...]: ...


class Domain(Closing):
    """A domain that create() has made. Leaving `with` destroys it; it ends with its Xen at the latest."""

    kind = "domain"

    def __init__(self, dom0: _Dom0, name: str, number: int) -> None:
        self.name, self.id = name, number
        self._dom0 = dom0

    def __repr__(self) -> str:
        return f"<domain {self.id} {self.name} of {self._dom0.name}>"

    def facts(self) -> XenDomain:
        """Its line in `xl list` now. Raises SandboxGone when it is not there any more."""
        found = next((one for one in self._dom0.domains() if one.id == self.id), None)
        if found is None:
            raise self._gone("it is not in `xl list`")
        return found

    def console(self) -> str:
        """What it wrote on its console, also after it has ended.

        The last 128 KiB of what is kept: that is the first 4 MiB of all domains together. Raises SandboxGone when its
        Xen has ended.
        """
        said = self._dom0.run(["tail", "-c", str(SHOWN_BYTES), console_file(self.name)]).stdout
        return said.replace("\r\n", "\n").replace("\r", "\n").replace(_ASKS_SIZE, "")

    def wait_for(self, text: str, timeout_s: float = 60.0) -> str:
        """The text has been on its console, which is returned. Raises BadRequest, RunTimeout, SandboxGone."""
        wanted = _text(text)
        limit_s = request.number("timeout_s", timeout_s, least=0.001, most=LONGEST_WAIT_S)
        until = time.monotonic() + limit_s
        while wanted not in (said := self.console()):
            if time.monotonic() > until:
                raise RunTimeout(
                    f"{self.name} did not write {text!r} within {limit_s:g} s.",
                    seen=f"its console ended:\n{said[-200:]}",
                    remedy="look at console(), or give it more time with timeout_s=",
                )
            self.facts()
            time.sleep(LOOK_S)
        return said

    def type(self, text: str) -> None:
        """It gets the text as if it were typed; a line's end is the return key. A shell listens there.

        Raises BadRequest, SandboxGone.
        """
        words = ["sh", "-c", TYPE, "sh", str(self.id)]
        if self._dom0.run(words, stdin=_text(text).replace("\n", "\r")).exit_code:
            raise self._gone("it has no console")

    def pause(self) -> None:
        """Xen gives it no processor until unpause(). Raises SandboxGone, Unavailable."""
        self._told("pause")

    def unpause(self) -> None:
        """It may run. Raises SandboxGone, Unavailable."""
        self._told("unpause")

    def destroy(self) -> None:
        """It is gone, and its memory free. Does nothing when it has ended. Raises SandboxGone, Unavailable."""
        self._dom0.run(["xl", "destroy", str(self.id)])
        if any(one.id == self.id for one in self._dom0.domains()):
            raise Unavailable(
                f"The domain {self.name} cannot be destroyed.",
                seen="`xl destroy` was asked to, and it is still listed",
                remedy="close its Xen, which ends all",
            )

    def close(self) -> None:
        """It is destroyed, or went with its Xen. Closing again does nothing."""
        try:
            self.destroy()
        except SandboxGone:
            return

    def _told(self, verb: str) -> None:
        """`xl` finds nothing wrong with a domain that is not there."""
        done = self._dom0.run(["xl", verb, str(self.id)])
        self.facts()
        if done.exit_code:
            raise Unavailable(
                f"The domain {self.name} cannot be told to {verb}.",
                seen=done.stderr.strip()[:200] or f"exit status {done.exit_code}",
                remedy="look at facts(), or destroy() it",
            )

    def _gone(self, seen: str) -> SandboxGone:
        return SandboxGone(f"The domain {self.name} has ended.", seen=seen, remedy="create another")


def console_file(name: str) -> str:
    """Where xenconsoled writes what a domain says."""
    return f"/var/log/xen/console/guest-{name}.log"


def _text(text: str) -> str:
    if isinstance(text, str) and 0 < len(text) <= LONGEST_TEXT:
        return text
    raise BadRequest(
        "text",
        "is not a text that a console can carry.",
        seen=repr(text)[:60],
        remedy=f"1 to {LONGEST_TEXT:,} characters",
    )
