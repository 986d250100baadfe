"""A container from its creation to its removal: what every look at it and every command in it begins with."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import docker

from sandboxes import files, kernel
from sandboxes.containers import command, making, members, pidspace, reasons
from sandboxes.containers.client import NO_ANSWER, Engine
from sandboxes.containers.door import Door, open_door
from sandboxes.containers.guest_group import PARENT, GuestGroup
from sandboxes.containers.images import processor
from sandboxes.containers.scratch import Scratch
from sandboxes.containers.wanted import Wanted
from sandboxes.errors import BadRequest, SandboxGone, Unavailable
from sandboxes.lifecycle import Closing
from sandboxes.setting import Setting

PUT_S = 60.0
NOTED_S = 5.0
"""An engine that has not noted a pause by then will not do so."""


class RunningContainer(Closing):
    """`start_ms` is the time from the request to its running, engine and image ready; `warm`: it was taken from a pool,
    and then `start_ms` is the time that taking it took."""

    kind = "container"

    def __init__(self, engine: Engine, asked: Wanted) -> None:
        self.name, self.profile, self.limits = asked.name, asked.profile.name, asked.limits
        self.warm = False
        self._engine, self._closed = engine, False
        self._lock, self._door_lock = threading.Lock(), threading.Lock()
        self._cgroup: kernel.Cgroup | None = None
        self._door: Door | None = None
        self._scratch: Scratch | None = None
        self.id = ""
        try:
            self._begin(asked)
        except docker.errors.APIError as error:
            self.close()
            raise reasons.not_started(error) from error
        except NO_ANSWER as error:
            self.close()
            raise engine.gone(error) from error
        except BaseException:
            self.close()
            raise

    def _begin(self, asked: Wanted) -> None:
        self.image = self._engine.ready_image(asked.image)
        foreign = processor.foreign_to(self._engine, self.image) if asked.image else ""
        begun = time.monotonic()
        if self.limits.io:
            self._scratch = Scratch(self._engine)
        self.id = making.create(self._engine, asked, self.image, self._scratch, foreign=bool(foreign))
        self._engine.api.start(self.id)
        self.start_ms = (time.monotonic() - begun) * 1000
        if foreign:
            processor.started(self._engine, self.id, foreign)
        self._engine.prove(self.limits, self.cgroup)
        if self._scratch:
            self._scratch.prove(self.limits, self.cgroup())
        if asked.files:
            self._unpack(asked.files, "files")

    def open_door(self) -> None:
        """A shell waits inside, so that the first command starts at once; it ends when anything else is done first."""
        with self._open():
            self._door = open_door(self._engine, self.id)

    def taken(self, since_s: float) -> None:
        """It left a pool: from here on it is its reader's. `since_s` is when it was asked for, time.monotonic()."""
        self.warm, self.start_ms = True, (time.monotonic() - since_s) * 1000

    def cgroup(self) -> kernel.Cgroup:
        """Where its limits live on this machine. Raises Unavailable when the engine is on another one."""
        if self._cgroup is None:
            self._cgroup = self._find_cgroup()
        return self._cgroup

    @property
    def in_guest(self) -> bool:
        """Its kernel is not this machine's: its engine is in a guest."""
        return self._engine.guest is not None

    def _find_cgroup(self) -> kernel.Cgroup:
        if guest := self._engine.guest:
            init = int(self._engine.inspect(self.id)["State"]["Pid"])
            return GuestGroup({}, None, guest=guest, path=f"{PARENT}/{self.id}", init=init)
        if "memory" in self._engine.facts().enforces:
            return members.find_cgroup(self.id)
        state = self._engine.inspect(self.id)["State"]
        return pidspace.of_container(state["Pid"], self._engine.pid) or members.find_cgroup(self.id)

    def running(self) -> bool:
        """Its first process runs. False when closed, ended, or when the engine has died."""
        try:
            return not self._closed and bool(self._engine.inspect(self.id)["State"]["Running"])
        except (docker.errors.APIError, *NO_ANSWER):
            return False

    def pause(self) -> None:
        """Every process in it is frozen: none runs until resume(). Safe to repeat.

        Source: cgroup-v1/freezer-subsystem.rst; cgroup-v2.rst, cgroup.freeze. Raises SandboxGone, Unavailable.
        """
        facts = self._engine.facts()
        if not facts.pause:
            raise Unavailable(
                f"{facts.name} cannot freeze a container here.",
                seen=f"cgroups {facts.cgroup_version}, cgroup driver {facts.cgroup_driver}",
                remedy="the book's private engine can: run the book as root (BOUNDARIES_ENGINE=private)",
            )
        with self._open():
            if not self.paused():
                self._engine.api.pause(self.id)
                self._until_paused(True)

    def resume(self) -> None:
        """Its processes run again where they stood. Safe to repeat. Raises SandboxGone, Unavailable."""
        with self._open():
            if self.paused():
                self._engine.api.unpause(self.id)
                self._until_paused(False)

    def paused(self) -> bool:
        """Its processes are frozen. Raises SandboxGone, Unavailable."""
        with self._open():
            return bool(self._engine.inspect(self.id)["State"]["Paused"])

    def _until_paused(self, wanted: bool) -> None:
        """Docker notes either by an event that comes a moment after its answer; the next call must not overtake it."""
        until = time.monotonic() + NOTED_S
        while bool(self._engine.inspect(self.id)["State"]["Paused"]) is not wanted:
            if time.monotonic() > until:
                raise Unavailable(
                    f"The engine did not {'freeze' if wanted else 'thaw'} container {self.name}.",
                    seen=f"its record says otherwise after {NOTED_S:g} s",
                    remedy="try it again",
                )
            time.sleep(0.005)

    def close(self) -> None:
        """It is removed with everything in it. Safe to repeat, also when the engine has died."""
        self._closed = True
        with self._door_lock:
            door, self._door = self._door, None
        if door:
            door.drop()
        if self.id:
            with contextlib.suppress(docker.errors.APIError, *NO_ANSWER):
                self._engine.api.remove_container(self.id, force=True, v=True)
        if self._scratch:
            self._scratch.close()

    def __repr__(self) -> str:
        return f"<container {self.name}, {self.profile}, {'closed' if self._closed else self.id[:12]}>"

    def _unpack(self, tar: bytes, field: str) -> None:
        """Raises BadRequest with the words of the container's own tar."""
        prepared = command.prepare(self._engine, self.id, files.UNPACK, Setting(input=tar))
        done = command.run(prepared, self.cgroup, PUT_S, self.name, given=tar)
        if done.exit_code != 0:
            raise BadRequest(
                field,
                "cannot be written in this container.",
                seen=(done.stderr or done.stdout).strip()[-300:],
                remedy='a place that its user may write, such as /tmp, or profile="open"',
            )

    @contextlib.contextmanager
    def _open(self, *, for_door: bool = False) -> Iterator[Door | None]:
        """The door, when it is asked for and open; else it is shut first, so that nothing is there but the reader's.

        Raises SandboxGone, with the reason, when the container is closed, or is found dead meanwhile.
        """
        if self._closed:
            raise SandboxGone(f"Container {self.name} was closed.", seen="close() was called", remedy="start a new one")
        with self._door_lock:
            door, self._door = self._door, None
        try:
            if door and not for_door:
                door.shut(self.cgroup)
            yield door if for_door else None
        except docker.errors.APIError as error:
            raise reasons.gone(self._engine, self.id, self.name, error) from error
        except NO_ANSWER as error:
            raise self._engine.gone(error) from error
        except (SandboxGone, Unavailable) as error:  # a file that is missing: because it has ended, or for good reason
            reason = reasons.gone(self._engine, self.id, self.name, error)
            raise (error if isinstance(reason, Unavailable) else reason) from error
