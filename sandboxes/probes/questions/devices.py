"""Devices: mknod(2), the devices cgroup, and the files in /dev. Nothing is read from any."""

from __future__ import annotations

from sandboxes.model import Probe

_FOLDER = "d=$(mktemp -d /tmp/asked-XXXXXX) || exit; "
_DISKS = " (sd|vd|xvd|hd|nvme|mmcblk)[0-9a-z]+$"
"""No loop device, and no CD drive: opening that may close its tray (Documentation/cdrom/cdrom-standard.rst)."""
_ONLY_ASKS = "access(2) only asks: opening it might load the driver"

DEVICES = (
    Probe(
        "make-device",
        "Can it make a device file?",
        _FOLDER + "syscall mknod $d/node 8576 257 , unlink $d/node; rm -rf $d",
        "devices",
        "the file (for character device 1:1) is removed again, and not opened",
        reach="mnt",
        capabilities=("CAP_MKNOD",),
        initial=True,
    ),
    Probe(
        "open-disk",
        "Can it make a file for the machine's first disk and open it?",
        f"set -- $(grep -m 1 -E '{_DISKS}' /proc/partitions); test $4 || exec echo ENXIO\n"
        + _FOLDER
        + "syscall mknod $d/node 24960 $(($1 * 256 + $2)) , open $d/node 0 , unlink $d/node; rm -rf $d",
        "devices",
        "the disk is opened for reading and closed, not read; the file is removed",
        reach="mnt",
        capabilities=("CAP_MKNOD",),
        initial=True,
        path="/dev",
    ),
    Probe(
        "open-made-device",
        "Can it make a file for a device that it was not given and open it?",
        _FOLDER + "syscall mknod $d/node 8576 2789 , open $d/node 0 , unlink $d/node; rm -rf $d",
        "devices",
        "/dev/fuse (10:229) is opened and closed, nothing is asked of it; the file is removed. Where it may be opened "
        "and fuse is a module, the kernel loads that and keeps it",
        capabilities=("CAP_MKNOD",),
        initial=True,
        reach="mnt",
        path="/dev",
    ),
    Probe(
        "open-memory-device",
        "Can it open the machine's physical memory?",
        "syscall open /dev/mem 0",
        "devices",
        "it is opened and not read",
        capabilities=("CAP_SYS_RAWIO",),
        initial=True,
        path="/dev/mem",
    ),
    Probe(
        "open-log-device",
        "Can it open the kernel's log device?",
        "syscall open /dev/kmsg 0",
        "devices",
        "it is opened and not read",
        capabilities=("CAP_SYSLOG",),
        initial=True,
        path="/dev/kmsg",
    ),
    Probe(
        "open-kvm",
        "May it open the device that runs virtual machines?",
        "syscall access /dev/kvm 6",
        "devices",
        _ONLY_ASKS,
        path="/dev/kvm",
    ),
    Probe(
        "open-tunnel",
        "May it open the device that makes network cards?",
        "syscall access /dev/net/tun 6",
        "devices",
        _ONLY_ASKS,
        path="/dev/net/tun",
    ),
    Probe(
        "use-ports",
        "Can it talk to hardware through I/O ports?",
        "syscall iopl 3",
        "devices",
        "only the caller's own level changes, and it ends at once without using a port",
        capabilities=("CAP_SYS_RAWIO",),
        initial=True,
    ),
)
