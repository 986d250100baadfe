"""A shell that waits in a container for one command, and then becomes it: the first command without the wait for a
process to be put into the container.

The shell reads its script from its standard input. It first defines how a command is started, and says that it is
ready; the line that starts one is sent when there is one. `exec` replaces the shell, so that the command is what any
other would be: its number, parent, session, user, cgroup, status and both streams.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable

from sandboxes.containers import command
from sandboxes.containers.client import Engine
from sandboxes.containers.command import Command
from sandboxes.containers.output import Streams
from sandboxes.containers.stream import Stream
from sandboxes.errors import SandboxGone
from sandboxes.kernel import Cgroup

READY = "ready\n"
OPEN_S = 10.0
SHELL_S_OWN = frozenset({"PWD", "OLDPWD", "SHLVL", "_"})
"""Variables that a shell adds to the environment; a container that was given one gets no door."""

_PREPARE = """\
[ -z "$BASH_VERSION" ] || exit
named() {
  name=$1; shift
  case $name in
    */*) path=$name ;;
    *) IFS=:; for folder in $PATH; do path=$folder/$name; [ -f "$path" ] && [ -x "$path" ] && break; done ;;
  esac
  exec -a "$name" "$path" "$@" </dev/null
}
plain() { exec "$@" </dev/null; }
if (exec -a sh sh -c :) 2>/dev/null; then start=named; else start=plain; fi
unset PWD OLDPWD SHLVL _
echo ready
"""
"""busybox's exec runs its own applets without starting their program, unless it is told a path; dash knows no -a.
bash sets SHLVL and _ for whatever it starts, so that an image with bash as sh gets no door."""


class Door:
    """An open one. It is used once, by `connect_for`, or shut."""

    def __init__(self, waiting: Command, stream: Stream) -> None:
        self._waiting, self._stream = waiting, stream

    def becomes(self, argv: tuple[str, ...]) -> Command:
        """The command that will go through it."""
        return dataclasses.replace(self._waiting, argv=argv)

    def connect_for(self, argv: tuple[str, ...]) -> Callable[[float], Stream]:
        """What starts the command and gives its streams."""

        def connect(_timeout_s: float) -> Stream:
            try:
                self._stream.write(line(argv))
            except OSError as error:
                raise SandboxGone(
                    "The waiting shell is gone.", seen=str(error), remedy="start a new container"
                ) from error
            return self._stream

        return connect

    def drop(self) -> None:
        """The connection is closed; the shell reads end-of-file and ends. For a container that ends too."""
        self._stream.close()

    def shut(self, cgroup: Callable[[], Cgroup]) -> None:
        """The shell has ended, and nothing has run in it."""
        try:
            self._stream.finish()
            if self._waiting.exit_code(2.0) is None:
                command.end(self._waiting, cgroup)
        except OSError:
            command.end(self._waiting, cgroup)
        finally:
            self._stream.close()


def line(argv: tuple[str, ...]) -> bytes:
    """The shell's line that starts a command, every word quoted. Raises UnicodeEncodeError for what is no text."""
    words = " ".join("'" + word.replace("'", "'\\''") + "'" for word in argv)
    return f'"$start" {words}\n'.encode()


def fits(argv: tuple[str, ...]) -> bool:
    """Its words are text, so that the shell gets the bytes that the engine would have given."""
    with contextlib.suppress(UnicodeEncodeError):
        return bool(line(argv))
    return False


def open_door(engine: Engine, container_id: str) -> Door | None:
    """A door whose shell has said that it is ready; None when the image has no shell that does.

    Raises docker.errors.APIError when the container is gone.
    """
    waiting = command.prepare(engine, container_id, ("sh",), attach_input=True)
    stream = waiting.connect()
    streams = Streams()
    try:
        with stream.until(OPEN_S):
            with contextlib.suppress(OSError):
                stream.write(_PREPARE.encode())
            while streams.stdout != READY and (data := stream.read()):
                streams.feed(data)
    except BaseException:
        stream.close()
        raise
    if streams.stdout == READY:
        return Door(waiting, stream)
    stream.close()
    return None
