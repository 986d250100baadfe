"""Why a container did not start, or is no more, in words that a reader can use."""

from __future__ import annotations

import docker

from sandboxes.containers.client import NO_ANSWER, Engine
from sandboxes.errors import SandboxError, SandboxGone, StartFailed, Unavailable

_ended: dict[str, str] = {}


def note_end(container_id: str, why: str) -> None:
    """The container was ended from here for this reason, which its reader gets to know at the next call."""
    _ended[container_id] = why


def not_started(error: docker.errors.APIError) -> StartFailed:
    """The engine refused to make or start a container."""
    seen = str(error.explanation).strip()
    if "no space left on device" in seen.lower():
        remedy = "remove files from containers, or close containers: then the engine has more room"
    else:
        remedy = "./textbook doctor; then try it again"
    return StartFailed("The container did not start.", seen=seen, remedy=remedy)


def gone(engine: Engine, container_id: str, name: str, error: Exception) -> SandboxError:
    """What became of a container that a call did not reach; Unavailable when it runs all the same."""
    try:
        state = engine.inspect(container_id)["State"]
    except docker.errors.APIError as missing:
        return SandboxGone(f"Container {name} is gone.", seen=str(missing.explanation), remedy="start a new one")
    except NO_ANSWER as dead:
        return engine.gone(dead)
    if state.get("Paused"):
        return Unavailable(f"Container {name} is paused: nothing runs in it.", seen=str(error), remedy="resume() it")
    if state["Running"]:
        return Unavailable(f"Container {name} runs, and the engine refused.", seen=str(error), remedy="try it again")
    why = "the kernel killed it for memory" if state.get("OOMKilled") else f"exit status {state.get('ExitCode')}"
    why = _ended.get(container_id, why)
    seen = f"{why} {state.get('Error', '')}".strip()
    return SandboxGone(f"Container {name} has ended.", seen=seen, remedy="start a new one")
