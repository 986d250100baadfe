"""An image's programs are for one kind of processor: what to say when this machine has another one."""

from __future__ import annotations

import time
from typing import Any

from sandboxes.containers.client import Engine
from sandboxes.errors import StartFailed

SETTLE_S = 1.0
"""A program that the kernel cannot execute has ended long before; one that an emulator runs goes on."""


def foreign_to(engine: Engine, image: str) -> str:
    """The architecture of the image when the engine's machine has another one, else ""."""
    wanted = str(engine.api.inspect_image(image)["Architecture"])  # type: ignore[no-untyped-call]
    return "" if wanted in ("", engine.api.version()["Arch"]) else wanted


def heard(config: dict[str, Any]) -> dict[str, Any]:
    """HostConfig of a container whose first words are wanted: with a log, and without an init in front of it."""
    return {**config, "Init": False, "LogConfig": {"Type": "json-file"}}


def started(engine: Engine, container_id: str, architecture: str) -> None:
    """Raises StartFailed, with what the kernel said, when a container for another architecture has ended at once.

    Source: execve(2), ENOEXEC. An engine with an emulator registered in binfmt_misc runs such a container.
    """
    until = time.monotonic() + SETTLE_S
    while time.monotonic() < until:
        if not engine.inspect(container_id)["State"]["Running"]:
            said = engine.api.logs(container_id).decode(errors="replace").strip()
            raise StartFailed(
                f"The image's programs are for {architecture}; this machine's kernel cannot execute them.",
                seen=said[-300:] or str(engine.inspect(container_id)["State"]),
                remedy="an image holds programs for one processor: take one for this machine, or run it in an emulator",
            )
        time.sleep(0.02)
