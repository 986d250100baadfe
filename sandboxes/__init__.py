"""What a reader types: `import sandboxes as sb`."""

from sandboxes import measure, view
from sandboxes.checks import check
from sandboxes.claims import claim
from sandboxes.containers import container, service
from sandboxes.doctor import doctor
from sandboxes.errors import SandboxError
from sandboxes.guests import guest
from sandboxes.sandbox import host, twin

__all__ = [
    "SandboxError",
    "check",
    "claim",
    "container",
    "doctor",
    "guest",
    "host",
    "measure",
    "service",
    "twin",
    "view",
]
