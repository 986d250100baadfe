"""The list: harmless questions to a kernel, by subject. Each is asked in the same words in every place.

In a command these variables are set: `$bait`, the pid of a process of the host that was started to be found (empty
where it cannot be seen); `$bait_name`, its name; `$bait_file`, a file of the host; `$bait_port`, a port on the host's
loopback in hexadecimal; `$boot_id` and `$memory_kb` of the host. `syscall` is the program of sandboxes.syscall.
"""

from sandboxes.model import Probe
from sandboxes.probes.questions.devices import DEVICES
from sandboxes.probes.questions.files import FILES
from sandboxes.probes.questions.kernel import KERNEL
from sandboxes.probes.questions.namespaces import NAMESPACES
from sandboxes.probes.questions.network import NETWORK
from sandboxes.probes.questions.processes import PROCESSES
from sandboxes.probes.questions.settings import SETTINGS

PROBES: tuple[Probe, ...] = (*PROCESSES, *FILES, *DEVICES, *NAMESPACES, *NETWORK, *KERNEL, *SETTINGS)

__all__ = ["PROBES"]
