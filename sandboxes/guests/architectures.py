"""The kinds of processor that a guest can have. Another kind is another record here, and a board in boards.py."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """A kind of processor, and what a guest of that kind is made from.

    `debian` is Debian's word for it, `machine` what uname(1) says, `program` the QEMU that emulates it, from `package`.
    `kernels` are packages that follow its newest kernel, in order of liking; `modules` are what its agent's port needs
    of them, `kernel_words` what its kernel is told. `cpu_model` is the model of the processor that is asked for; of its
    features an emulator leaves out `slow_features`. `lone_words` spare an emulated guest with one processor some work.
    """

    name: str
    debian: str
    machine: str
    program: str
    package: str
    kernels: tuple[str, ...]
    modules: tuple[str, ...]
    kernel_words: tuple[str, ...]
    cpu_model: str
    slow_features: tuple[str, ...] = ()
    lone_words: tuple[str, ...] = ()


X86_64 = Architecture(
    name="x86-64",
    debian="amd64",
    machine="x86_64",
    program="qemu-system-x86_64",
    package="qemu-system-x86",
    kernels=("linux-image-cloud-amd64", "linux-image-virtual", "linux-image-amd64"),
    modules=(),
    kernel_words=("reboot=t", "no_timer_check", "tsc=nowatchdog", "random.trust_cpu=on"),
    cpu_model="max",
    slow_features=("erms", "fsrm"),  # kernels then copy and clear memory byte by byte: one byte a turn when emulated
    lone_words=(
        "noapictimer",  # to learn its rate takes 0.1 s; that of the HPET and the PIT, which do its work, is known
        "noreplace-smp",  # thousands of instructions are not rewritten, each by switching address spaces: 0.15 s
    ),
)
ARM64 = Architecture(
    name="arm64",
    debian="arm64",
    machine="aarch64",
    program="qemu-system-aarch64",
    package="qemu-system-arm",
    kernels=("linux-image-cloud-arm64", "linux-image-arm64"),
    modules=(),
    kernel_words=(),
    cpu_model="cortex-a57",
)
S390X = Architecture(
    name="s390x",
    debian="s390x",
    machine="s390x",
    program="qemu-system-s390x",
    package="qemu-system-misc",
    kernels=("linux-image-s390x",),
    modules=("virtio_console",),
    kernel_words=("random.trust_cpu=on",),
    cpu_model="max",
)

ARCHITECTURES = {kind.name: kind for kind in (X86_64, ARM64, S390X)}
