"""A container made of kernel calls alone: no engine, no runtime, no daemon."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from sandboxes import kernel, model, request
from sandboxes.bare import cgroup, command, plan
from sandboxes.bare.agent import Reply, Request, agent
from sandboxes.bare.root import layers
from sandboxes.bare.users import map_users
from sandboxes.bare.wanted import DEFAULT, Cpus, Memory, Pids, Wanted, wanted
from sandboxes.errors import RunTimeout, SandboxError, SandboxGone, StartFailed
from sandboxes.lifecycle import MARK, Closing, owner

LONGEST_RUN_S = 24 * 3600.0
CLOSE_S = 5.0
GONE_S = 1.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def container(
    *,
    without: str | Sequence[str] = (),
    memory: Memory = DEFAULT,
    cpus: Cpus = DEFAULT,
    pids: Pids = DEFAULT,
    user: bool | None = None,
    time: bool = False,
    read_only: bool = False,
    name: str | None = None,
) -> BareSandbox:
    """A running container from the book's busybox image, made by this process's own kernel calls.

    It has namespaces of its own for mnt, pid, net, uts, ipc and cgroup, a cgroup with limits, no capabilities, no way
    to get any, and a seccomp filter. `user` True adds a user namespace (the default, and a must, for anyone but root),
    `time` a time namespace. `without` leaves parts out: any of "user", "mnt", "pid", "net", "uts", "ipc", "cgroup",
    "time", "capabilities", "seccomp". What is left out is the host's: without "mnt", commands see and may write the
    host's files, as user 1000 unless "capabilities" is left out too.

    `memory` is bytes or text such as "128M", `cpus` cores, `pids` processes; None asks for no limit. Unless told
    otherwise they are 128 MiB, 0.5 and 64 where this user may make cgroups, and there is no limit where not.

    Raises BadRequest and LimitIgnored before anything starts, Unavailable when busybox is missing or this user may make
    no user namespace, StartFailed. Source: namespaces(7), pivot_root(2), capabilities(7), seccomp(2), cgroups(7).
    """
    return BareSandbox(wanted(without, memory, cpus, pids, user, time, read_only, name))


class BareSandbox(Closing):
    """A place to run commands in. `start_ms` is the time from the request until its last step was done."""

    kind = "bare"
    refused: type[SandboxError] = StartFailed
    """What is raised when the kernel refuses a step."""
    pid: int
    """Its first process, as this machine numbers it."""

    def __init__(self, asked: Wanted) -> None:
        begun = time.monotonic()
        self.asked, self.name, self.limits = asked, asked.name, asked.limits
        self.steps: tuple[model.Step, ...] = ()
        self._mark = secrets.token_hex(6)
        self._lock, self._commands, self._closed = threading.Lock(), 0, False
        self._handle = -1
        self._cgroup: kernel.Cgroup | None = None
        making = agent()  # the first time it takes a while to start, and files to unpack
        folder, self._lower = layers(asked.first_uid)
        self._line = making.begin(folder if "mnt" in asked.parts else Path("/"))
        owner().adopt(self)
        try:
            self._make()
        except BaseException:
            self.close()
            raise
        self.start_ms = (time.monotonic() - begun) * 1000

    def run(self, command_: str | Sequence[str], *, timeout_s: float = 30.0) -> model.Result:
        """Run a text with sh -c, or a list of words as it is, to its end; 16 MiB of each output stream are kept.

        A command that the kernel killed for memory has exit code 137, and sample().memory.oom_kills has grown.
        Raises BadRequest, SandboxGone, StartFailed when its limit of processes is reached, and RunTimeout after
        `timeout_s`: then all processes of its session, and all that still have its environment, have been killed. One
        that left both, as by `env -i setsid`, lives until the container is closed.
        """
        words = request.argv(command_)
        timeout_s = request.number("timeout_s", timeout_s, least=0.01, most=LONGEST_RUN_S)
        self._check_open()
        begun = time.monotonic()
        mark = self._command_mark()
        session = 0
        try:
            running = command.begin(self._line, words, self._environment(mark))
            session = running.session
            try:
                code = running.read(begun + timeout_s)
            finally:
                running.close()
        except TimeoutError as error:
            how = self._end(mark, session)
            raise RunTimeout(
                f"The command did not end within {timeout_s:g} s: {' '.join(words)[:100]}",
                seen=f"{how}; its output until then: {(running.stdout + running.stderr)[-300:].strip() or '(none)'}",
                remedy="give it more time with timeout_s=…",
            ) from error
        except SandboxGone as error:
            raise (self._gone() if self._ended(GONE_S) else error) from error
        except BaseException:  # also a KeyboardInterrupt: what the reader interrupts must not go on running
            with contextlib.suppress(SandboxError, OSError):
                self._end(mark, session)
            raise
        wall_ms = (time.monotonic() - begun) * 1000
        return model.Result(words, code, running.stdout, running.stderr, wall_ms, self.name)

    def namespaces(self) -> model.Namespaces:
        """The namespaces of its first process. Raises SandboxGone."""
        init = self._init()
        return model.Namespaces(self.name, self.kind, init.command, init.pid, kernel.boot_id(), dict(init.namespaces))

    def sample(self) -> model.CgroupSample:
        """One reading of its cgroup's files. Raises SandboxGone, and Unavailable when it has no cgroup of its own."""
        self._check_open()
        return kernel.sample(self._cgroup or kernel.cgroup_of(self.pid))

    def facts(self) -> model.BareContainer:
        """The container as the kernel reports it now. Raises SandboxGone."""
        init = self._init()
        here = kernel.namespaces(os.getpid())
        return model.BareContainer(
            name=self.name,
            init=init,
            own=tuple(kind for kind, number in init.namespaces.items() if here.get(kind) != number),
            limits=self.limits,
            cgroup=kernel.sample(self._cgroup) if self._cgroup else None,
            capabilities=kernel.capabilities(init.pid),
            seccomp=kernel.seccomp_mode(init.pid),
            no_new_privileges=kernel.no_new_privileges(init.pid),
            mounts=len(Path(f"/proc/{init.pid}/mountinfo").read_text().splitlines()),
            steps=self.steps,
            start_ms=self.start_ms,
            host=kernel.host(),
        )

    def running(self) -> bool:
        """Its first process lives. False when closed."""
        return not self._ended(0)

    def close(self) -> None:
        """All its processes are dead, its mounts and its cgroup are gone. Safe to repeat."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._line.close()
        if self._handle >= 0:
            self._kill_all()
            os.close(self._handle)
        elif self._cgroup:
            kernel.kill_cgroup(self._cgroup)
        if self._cgroup:
            kernel.remove_cgroup(self._cgroup)
        owner().release(self)

    def __repr__(self) -> str:
        return f"<bare container {self.name}, {'closed' if self._closed else f'process {self.pid}'}>"

    def _make(self) -> None:
        if "cgroup" in self.asked.parts and self.asked.privileged:
            self._cgroup = cgroup.make(self._mark, self.limits)
        requests = plan.joining(self._cgroup)
        if "user" in self.asked.parts:
            self._do([*requests, plan.NEW_USERS])
            map_users(self.pid, self.asked.first_uid, self.asked.privileged)
            requests = [plan.BECOME_ROOT]
        self._do(requests + plan.rest(self.asked, self._lower))

    def _do(self, requests: Sequence[Request]) -> Reply:
        """Raises what `refused` says, naming the call."""
        reply = self._line.ask(requests)
        self._follow(reply.pid)
        self._hostname = reply.hostname
        done = zip(requests, reply.ms, strict=False)
        self.steps += tuple(model.Step(name, plan.CALLS[name], ms) for (name, _), ms in done)
        if reply.failed:
            raise self.refused(
                f"The kernel refused a step of making the container: {reply.failed}.",
                seen=f"{plan.CALLS[reply.failed]}: {reply.seen}",
                remedy="./textbook doctor; some machines forbid this to containers or to users (user_namespaces(7))",
            )
        return reply

    def _follow(self, pid: int) -> None:
        """Whoever answered is the container's first process now; a pidfd (pidfd_open(2)) says when it ends."""
        if self._handle >= 0 and pid == self.pid:
            return
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError as error:
            raise self._gone() from error
        if self._handle >= 0:
            os.close(self._handle)
        self.pid, self._handle = pid, handle

    def _init(self) -> model.Process:
        self._check_open()
        return kernel.process(self.pid)

    def _command_mark(self) -> str:
        with self._lock:
            self._commands += 1
            return f"{command.MARK}={self._mark}-{self._commands}."

    def _environment(self, mark: str) -> dict[str, str]:
        name, _, value = mark.partition("=")
        home = "/home/reader" if self.asked.uid else "/root"
        return {"PATH": PATH, "HOME": home, MARK: owner().id, name: value}

    def _end(self, mark: str, session: int) -> str:
        """Afterwards no process of the command's session, or with its mark, is left. How that was done, in words."""
        marked, together = command.carrying(mark), command.in_session(session, self.pid)

        def theirs(pid: int) -> bool:
            return marked(pid) or together(pid)

        if self._cgroup:
            try:
                with contextlib.suppress(RunTimeout):
                    kernel.freeze_cgroup(self._cgroup)  # so that nobody forks while they are counted
                command.kill_once(theirs)
            finally:
                kernel.thaw_cgroup(self._cgroup)
        if command.kill_all(theirs):
            return "it was killed with all processes of its session or environment"
        self.close()
        return "it could not be killed alone, so the whole container was"

    def _kill_all(self) -> None:
        """The kernel ends a pid namespace with its process 1; without one, first processes end their children."""
        with_first = ended_with_first(self.pid)
        if with_first:
            self._kill_first()
        elif self._cgroup:
            kernel.kill_cgroup(self._cgroup)
        if not ended(self._handle, CLOSE_S):
            self._kill_first()
        if not self._cgroup and not with_first:
            command.kill_all(command.carrying(f"{command.MARK}={self._mark}"))

    def _ended(self, wait_s: float) -> bool:
        """It is closed, or its first process has ended: its pipes and sockets close a moment before that shows."""
        return self._closed or self._handle < 0 or ended(self._handle, wait_s)

    def _kill_first(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def _check_open(self) -> None:
        if not self.running():
            raise self._gone()

    def _gone(self) -> SandboxGone:
        """Why it is no more."""
        if self._closed:
            return SandboxGone(f"Container {self.name} was closed.", seen="close() was called", remedy="make a new one")
        kills = 0
        with contextlib.suppress(SandboxError):
            kills = kernel.sample(self._cgroup).memory.oom_kills if self._cgroup else 0
        why = f"the kernel killed {kills} of its processes for memory" if kills else "its first process was killed"
        return SandboxGone(f"Container {self.name} has ended.", seen=why, remedy="start a new one")


def ended(handle: int, wait_s: float) -> bool:
    """Whether the process of a pidfd has ended, or does so in time: then it can be read (pidfd_open(2))."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(wait_s * 1000))


def ended_with_first(pid: int) -> bool:
    """Whether it is process 1 of a pid namespace, which the kernel ends together with it (pid_namespaces(7))."""
    with contextlib.suppress(OSError):
        return kernel.pids_inside(Path(f"/proc/{pid}/status").read_text())[1:][-1:] == (1,)
    return False
