"""What a reader types: `import sandboxes as sb`."""

from sandboxes import bare, density, measure, view
from sandboxes.changes import changes
from sandboxes.checks import check
from sandboxes.claims import claim
from sandboxes.containers import container, image, network, pool, registry, service
from sandboxes.doctor import doctor
from sandboxes.errors import SandboxError
from sandboxes.guests import guest, machine, xen
from sandboxes.probes import probe
from sandboxes.sandbox import host, twin

__all__ = [
    "SandboxError",
    "bare",
    "changes",
    "check",
    "claim",
    "container",
    "density",
    "doctor",
    "guest",
    "host",
    "image",
    "machine",
    "measure",
    "network",
    "pool",
    "probe",
    "registry",
    "service",
    "twin",
    "view",
    "xen",
]
