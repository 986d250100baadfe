"""One tree of errors; each is three lines of text: what happened, what was seen, what to try.

SandboxError
├── BadRequest          an argument that can never work; raised before anything starts (also a ValueError)
├── Unavailable         a part of the machine that is needed is missing or does not work
│   ├── EngineUnavailable       no container engine answers and none can be started
│   ├── GuestUnavailable        QEMU, firmware or a guest kernel is missing
│   └── AcceleratorUnusable     an accelerator was asked for by name and no guest boots under it
├── LimitIgnored        the engine would accept this limit and not enforce it
├── BuildFailed         an image was not built (the failing step and the end of the log are in `seen`)
├── StartFailed         a sandbox did not come up (the log's or console's tail is in `seen`)
├── RunTimeout          a command did not end within its deadline (also a TimeoutError)
└── SandboxGone         the sandbox was closed, or died (the reason is in `seen`)
"""


class SandboxError(Exception):
    """Root of all errors of this package. `what`, `seen` and `remedy` are plain text, one line each as a rule."""

    def __init__(self, what: str, *, seen: str, remedy: str) -> None:
        self.what, self.seen, self.remedy = what, seen, remedy
        super().__init__(f"{what}\n  seen: {seen}\n  try:  {remedy}")


class BadRequest(SandboxError, ValueError):
    """An argument that can never work. `field` names it; nothing was started."""

    def __init__(self, field: str, what: str, *, seen: str, remedy: str) -> None:
        self.field = field
        super().__init__(f"{field}: {what}", seen=seen, remedy=remedy)


class Unavailable(SandboxError):
    """A part of the machine that is needed is missing or does not work."""


class EngineUnavailable(Unavailable):
    """No container engine answers and none can be started."""


class GuestUnavailable(Unavailable):
    """QEMU, its firmware or a guest kernel is missing."""


class AcceleratorUnusable(Unavailable):
    """An accelerator was asked for by name and no guest boots under it."""


class LimitIgnored(SandboxError):
    """The engine would accept this limit and not enforce it."""


class BuildFailed(SandboxError):
    """An image was not built; what there was of it is removed with its owner at the latest."""


class StartFailed(SandboxError):
    """A sandbox did not come up; what there was of it has been removed."""


class RunTimeout(SandboxError, TimeoutError):
    """A command did not end within its deadline."""


class SandboxGone(SandboxError):
    """The sandbox was closed by its owner, or died."""
