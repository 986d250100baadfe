"""A virtual machine that a reader can hold: runs commands, tells what it is made of, ends."""

from __future__ import annotations

from collections.abc import Mapping

from sandboxes import kernel as host_kernel
from sandboxes.errors import Unavailable
from sandboxes.files import Content
from sandboxes.guests.boxes.sandbox import GuestBox
from sandboxes.guests.boxes.wanted import wanted
from sandboxes.guests.controlled import ControlledGuest
from sandboxes.guests.course import Course
from sandboxes.guests.emulator import Emulator
from sandboxes.guests.inside import NAMESPACES, QUESTION, Inside, parse_answer, parse_namespaces
from sandboxes.guests.machine import Machine, firmware_of
from sandboxes.guests.monitor import Monitor
from sandboxes.guests.surface import surface
from sandboxes.lifecycle import owner
from sandboxes.limits import DEFAULT, Default, Room
from sandboxes.model import Accelerator, Boot, Cpuid, Guest, ImageLayout, Namespaces, Surface


class GuestSandbox(ControlledGuest):
    """A running guest. Every method may be called from any thread; leaving `with` closes it.

    `started` is "template", "cold" or "stock". `boot_ms` is the time from spawning QEMU until the guest answered;
    `start_ms` that from the request for it.
    """

    def __init__(
        self,
        machine: Machine,
        how: Accelerator,
        emulator: Emulator,
        monitor: Monitor,
        *,
        started: str,
        boot_ms: float,
        start_ms: float,
        course: Course | None = None,
    ) -> None:
        super().__init__(machine, emulator, monitor, started)
        self._course = course
        self.accelerator, self.boot_ms, self.start_ms = how, boot_ms, start_ms
        owner().adopt(self)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "paused" if self._paused else "running"
        return f"<guest {self.name}: {self._machine.memory_bytes >> 20} MiB, {self.accelerator.name}, {state}>"

    def namespaces(self) -> Namespaces:
        """The namespaces of process 1 inside, numbered by the guest's own kernel."""
        boot_id, ids = parse_namespaces(self.run(NAMESPACES).stdout)
        return Namespaces(self.name, self.kind, "init", 1, boot_id, ids)

    def facts(self) -> Guest:
        """The guest now: the QEMU process on the host, its devices, and what the kernel inside says.

        Raises SandboxGone, RunTimeout, and Unavailable when the tools that answer are gone from the guest.
        """
        inside = self._inside()
        hardware = self._asked(self._monitor.hardware)
        pid = self._emulator.qemu.pid
        process = host_kernel.process(pid)
        return Guest(
            name=self.name,
            process=process,
            threads=host_kernel.threads(pid),
            pss_bytes=host_kernel.pss_bytes(pid),
            seccomp=host_kernel.seccomp_mode(pid),
            qemu_version=hardware.qemu_version,
            machine=hardware.board,
            cpu_model=hardware.cpu_model,
            firmware=firmware_of(process.command, self._machine.board),
            accelerator=self.accelerator,
            memory_bytes=self._machine.memory_bytes,
            devices=hardware.devices,
            boot_ms=self.boot_ms,
            inside_kernel=inside.kernel,
            inside_machine=inside.machine,
            inside_byte_order=inside.byte_order,
            inside_boot_id=inside.boot_id,
            inside_cpu=inside.cpu,
            inside_memory_bytes=inside.memory_bytes,
            inside_namespaces=inside.namespaces,
            inside_processes=inside.processes,
            host=host_kernel.host(),
            started=self.started,
        )

    def boot(self) -> Boot:
        """How it came to answer, stage by stage; of a traced boot also what its kernel called to begin.

        Raises Unavailable for a boot without `trace=True`. Source: this machine's clock, QEMU's trace of what the
        firmware asked for, and the log of the guest's kernel.
        """
        if self._course is None:
            raise Unavailable(
                f"Nobody looked when {self.name} booted.",
                seen=f"it was started {self.started}, without a trace",
                remedy="start one with sb.guest(cold=True, trace=True)",
            )
        return Boot(
            guest=self.name,
            started=self.started,
            firmware=firmware_of(host_kernel.process(self._emulator.qemu.pid).command, self._machine.board),
            accelerator=self.accelerator,
            stages=self._course.stages,
            initcalls=self._course.initcalls,
            host=host_kernel.host(),
        )

    def surface(self) -> Surface:
        """What QEMU emulates for this guest, hence what it could attack. Raises SandboxGone."""
        return self._asked(lambda: surface(self._monitor))

    def container(
        self,
        image: str | ImageLayout | None = None,
        *,
        memory: str | int | Default | None = DEFAULT,
        cpus: float | Default | None = DEFAULT,
        pids: int | Default | None = DEFAULT,
        cpu_shares: int | None = None,
        profile: str = "hardened",
        files: Mapping[str, Content] | None = None,
        env: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> GuestBox:
        """A container runs in this guest, without a network; arguments as for sandboxes.container().

        `image` None is the book's own busybox; what an image's save() returned is taken too. The guest must have been
        asked for with containers=True. It ends with the guest at the latest.
        Raises BadRequest, Unavailable for another guest, StartFailed, SandboxGone; nothing is left then.
        Source: OCI runtime specification; cgroup-v2.rst, read from the guest's own kernel.
        """
        if not self._machine.containers:
            raise Unavailable(
                f"The guest {self.name} has no container runtime.",
                seen="it was asked for without one",
                remedy="guest(containers=True)",
            )
        room = Room(self._machine.memory_bytes, self._machine.cpus)
        asked = wanted(room, image, memory, cpus, pids, cpu_shares, profile, files, env, name)
        return GuestBox(self, self.accelerator, room, asked)

    def cpuid(self) -> Cpuid:
        """What a program in the guest is told by the instruction CPUID: the processor that QEMU, or KVM, makes up.

        Raises SandboxGone, RunTimeout, and Unavailable in a guest of another kind of processor.
        """
        return self._cpuid("cpuid")

    def close(self) -> None:
        """The guest is gone: QEMU killed and reaped, its sockets closed. Closing again does nothing."""
        with self._closing:
            if not self._closed:
                try:
                    self._closed = True
                    self._end()
                except KeyboardInterrupt:
                    self._end()
                    raise
                finally:
                    owner().release(self)

    def _cpuid(self, *words: str) -> Cpuid:
        answer = self.run([*words, *host_kernel.LEAVES])
        try:
            return host_kernel.parse_cpuid(answer.stdout)
        except ValueError as error:
            raise Unavailable(
                f"The guest {self.name} does not answer CPUID.",
                seen=answer.stderr.strip()[-200:] or f"exit status {answer.exit_code}",
                remedy="it takes a guest of the kind x86-64",
            ) from error

    def _inside(self) -> Inside:
        answer = self.run(QUESTION)
        try:
            return parse_answer(answer.stdout)
        except (ValueError, KeyError) as error:
            raise Unavailable(
                f"The guest {self.name} cannot describe itself.",
                seen=answer.stderr.strip()[-200:] or str(error),
                remedy="start another",
            ) from error
