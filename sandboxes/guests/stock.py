"""A guest as plain QEMU boots it: the yardstick for how much our own choices are worth."""

from __future__ import annotations

import socket
import subprocess
import time

from sandboxes.errors import StartFailed
from sandboxes.guests.channel import Channel
from sandboxes.guests.exchange import ChannelLost, Overdue, Request
from sandboxes.guests.initramfs import initramfs
from sandboxes.guests.kernels import GuestKernel
from sandboxes.guests.machine import PROGRAM
from sandboxes.guests.qemu import owned_environment
from sandboxes.guests.start import needed_kernel
from sandboxes.guests.system import BOOT_S
from sandboxes.output import Output


def stock_arguments(kernel: GuestKernel, agent: int, accelerator: str = "tcg", memory: str = "256M") -> list[str]:
    """Default machine with its default devices and firmware, the distribution's compressed kernel, no tuned words.

    The second serial port is there for the same ready mark that our own guests are timed by.
    """
    archive = initramfs(kernel, network=False)
    return [
        *(PROGRAM, "-accel", accelerator, "-m", memory, "-nographic"),
        *("-kernel", str(kernel.bzimage), "-initrd", str(archive), "-append", "console=ttyS0"),
        *("-serial", "mon:stdio", "-chardev", f"socket,id=agent,fd={agent}", "-serial", "chardev:agent"),
    ]


def stock_boot_ms(accelerator: str = "tcg", memory: str = "256M") -> float:
    """Milliseconds from spawning plain QEMU until its guest has answered a command; afterwards it is gone.

    Raises StartFailed after 30 s, GuestUnavailable.
    """
    near, far = socket.socketpair()
    with far:
        words = stock_arguments(needed_kernel(), far.fileno(), accelerator, memory)
        environment = owned_environment()
        begun = time.monotonic()
        process = subprocess.Popen(
            words,
            pass_fds=[far.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # the console goes there at full speed
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=environment,
        )
    channel = Channel(near)
    try:
        if channel.wait_ready(BOOT_S):
            channel.run(Request(("true",)), BOOT_S, Output())
            return (time.monotonic() - begun) * 1000
        raise _failed(f"no answer within {BOOT_S:g} s")
    except Overdue:
        raise _failed(f"no answer to a command within {BOOT_S:g} s") from None
    except ChannelLost:
        raise _failed(f"QEMU ended with status {process.wait(5)}") from None
    finally:
        process.kill()
        process.wait()
        channel.close()


def _failed(seen: str) -> StartFailed:
    return StartFailed("Plain QEMU did not boot the guest.", seen=seen, remedy=f"try {PROGRAM} by hand")
