"""A machine that Xen runs on, seen from dom0: the Linux that steers it."""

from __future__ import annotations

from sandboxes import request
from sandboxes.errors import BadRequest, RunTimeout, StartFailed, Unavailable
from sandboxes.guests.naming import host_name
from sandboxes.guests.sandbox import GuestSandbox
from sandboxes.guests.xen.domain import Domain, console_file
from sandboxes.guests.xen.facts import QUESTION, parse_domains, parse_xen
from sandboxes.guests.xen.image import DOMAIN_FILES, DOMAIN_KERNEL
from sandboxes.model import Cpuid, Result, Xen, XenDomain

LEAST_DOMAIN_BYTES = 96 << 20
"""As for any guest with this kernel."""

CREATE_S = 60.0
WORDS = "console=hvc0 quiet panic=-1 cryptomgr.notests random.trust_cpu=on"

CREATE = """
rm -f "$1"
cat >/run/domain.cfg && xl create -q /run/domain.cfg && exec xl domid "$2"
"""
"""Shell text for the file of its console and its name; the configuration is its input. It prints the domain's id."""


class XenSandbox(GuestSandbox):
    """A running Xen. Its dom0 can do what a guest can; it knows the hypervisor below, and makes domains."""

    def __repr__(self) -> str:
        return f"<xen {super().__repr__()[len('<guest ') :]}"

    def xen(self) -> Xen:
        """The hypervisor as it presents itself to dom0. Raises SandboxGone, RunTimeout, Unavailable."""
        answer = self.run(QUESTION)
        try:
            return parse_xen(answer.stdout)
        except (ValueError, KeyError) as error:
            raise self._mute(answer) from error

    def domains(self) -> tuple[XenDomain, ...]:
        """All domains, dom0 first. Raises SandboxGone, RunTimeout, Unavailable. Source: `xl list`, xl(1)."""
        answer = self.run(["xl", "list"])
        try:
            return parse_domains(answer.stdout)
        except ValueError as error:
            raise self._mute(answer) from error

    def xen_cpuid(self) -> Cpuid:
        """CPUID as Xen answers it: cpuid() is the same question without Xen's prefix, which the processor answers.

        Raises SandboxGone, RunTimeout, Unavailable. Source: xen/include/public/arch-x86/cpuid.h.
        """
        return self._cpuid("cpuid", "xen")

    def create(self, name: str, *, memory: str | int = "128M", vcpus: int = 1, paused: bool = False) -> Domain:
        """Another domain runs: paravirtual, with the kernel and the file system that guests have (about 2 s, and 4 s
        until its shell is there). `paused`: it is there, and Xen gives it no processor until unpause().

        Raises BadRequest, StartFailed, SandboxGone, RunTimeout, Unavailable.
        """
        wanted = host_name(name)
        size_bytes = request.size_bytes("memory", memory, least=LEAST_DOMAIN_BYTES, most=self._machine.memory_bytes)
        count = request.count("vcpus", vcpus, least=1, most=8)
        still = request.yes_or_no("paused", paused)
        self._check_free(wanted, size_bytes)
        config = configuration(wanted, size_bytes, count)
        words = ["sh", "-c", CREATE.replace("-q", "-q -p") if still else CREATE, "sh", console_file(wanted), wanted]
        try:
            done = self.run(words, stdin=config, timeout_s=CREATE_S)
        except (RunTimeout, KeyboardInterrupt):
            self.run(["xl", "destroy", wanted])
            raise
        if done.exit_code:
            raise StartFailed(
                f"Xen did not start the domain {wanted}.",
                seen=done.stderr.strip()[:300],
                remedy='what Xen says of it: hypervisor.run("xl dmesg | tail"); less memory, or destroy another domain',
            )
        return Domain(self, wanted, int(done.stdout))

    def _check_free(self, name: str, size_bytes: int) -> None:
        if any(one.name == name for one in self.domains()):
            raise BadRequest("name", "is another domain's.", seen=name, remedy="another name, or destroy that one")
        free_bytes = self.xen().free_memory_bytes
        if size_bytes > free_bytes:
            raise BadRequest(
                "memory",
                "is more than Xen has left.",
                seen=f"{size_bytes >> 20} MiB asked for, {free_bytes >> 20} MiB free",
                remedy="less, destroy another domain, or xen(memory=…) with more",
            )

    def _mute(self, answer: Result) -> Unavailable:
        return Unavailable(
            f"The dom0 of {self.name} cannot describe its hypervisor.",
            seen=answer.stderr.strip()[-200:] or f"exit status {answer.exit_code}",
            remedy="start another",
        )


def configuration(name: str, memory_bytes: int, vcpus: int) -> str:
    """A paravirtual domain as xl.cfg(5) writes it. When it crashes it stays, so that it can be looked at."""
    settings = {
        "name": name,
        "type": "pv",
        "kernel": f"/{DOMAIN_KERNEL}",
        "ramdisk": f"/{DOMAIN_FILES}",
        "extra": f"{WORDS} hostname={name}",
        "memory": memory_bytes >> 20,
        "vcpus": vcpus,
        "on_poweroff": "destroy",
        "on_reboot": "destroy",
        "on_crash": "preserve",
    }
    return "".join(f"{key} = {value if isinstance(value, int) else repr(value)}\n" for key, value in settings.items())
