"""What a container may do: the hardened profile of this book, and others for comparison. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Profile:
    """`user` runs init and every command ("" leaves it to the image); `host_config` goes to the engine as it is.

    Source of the fields: Docker Engine API, "Create a container", HostConfig.
    """

    name: str
    user: str
    host_config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def writable(self) -> Mapping[str, str]:
        """The only places that can be written where the root file system is read-only; empty: everywhere."""
        return self.host_config.get("Tmpfs", {}) if self.host_config.get("ReadonlyRootfs") else {}


_EITHER = {
    "Init": True,  # tini as process 1: it reaps orphans, and a signal ends it at once
    "LogConfig": {"Type": "none"},  # commands run by exec, so there is no log to keep
    "RestartPolicy": {"Name": "no"},
}

HARDENED = Profile(
    "hardened",
    "1000:1000",
    {
        **_EITHER,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true"],  # seccomp stays on the engine's default filter
        "ReadonlyRootfs": True,
        "Tmpfs": {
            "/tmp": "rw,noexec,nosuid,nodev,size=16m,mode=1777",  # noqa: S108 - inside the container
            "/run": "rw,noexec,nosuid,nodev,size=4m,mode=1777",
        },
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "Ulimits": [
            {"Name": "nofile", "Soft": 1024, "Hard": 1024},
            {"Name": "core", "Soft": 0, "Hard": 0},
        ],
    },
)

OPEN = Profile("open", "", _EITHER)
"""Docker's own default."""

UNFILTERED = Profile("unfiltered", "", {**_EITHER, "SecurityOpt": ["seccomp=unconfined"]})
"""Docker's default without its filter of system calls: what then passes was stopped by the filter alone."""

PROFILES = {profile.name: profile for profile in (HARDENED, OPEN, UNFILTERED)}

HOSTS = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""
"""What Docker writes into /etc/hosts of a container without a network (libnetwork, etchosts)."""
