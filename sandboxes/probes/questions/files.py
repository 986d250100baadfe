"""Files and mounts: mount(2), mount_setattr(2), chroot(2), access(2), open_by_handle_at(2)."""

from __future__ import annotations

from sandboxes.model import Probe

FILES = (
    Probe(
        "read-host-file",
        "Can it open a file of the host?",
        "test -e $bait_file || exec echo hidden; syscall open $bait_file 0",
        "files",
        "the file was made for this, and is opened and not read",
        reach="mnt",
        path="$bait_file",
    ),
    Probe(
        "reach-engine-socket",
        "Is there a container engine's socket that it may use?",
        "syscall access /var/run/docker.sock 2",
        "files",
        "access(2) only asks; nothing is connected",
        path="/var/run/docker.sock",
    ),
    Probe(
        "write-root",
        "May it write to the root folder?",
        "syscall access / 2",
        "files",
        "access(2) only asks; nothing is written",
        reach="mnt",
        path="/",
    ),
    Probe(
        "execute-from-tmp",
        "Can it run a program that it put into /tmp?",
        "syscall getuid >/dev/null || exec echo absent; "
        "f=$(mktemp /tmp/asked-XXXXXX) || exit; cp $(command -v syscall) $f && chmod 755 $f; "
        "$f getuid 2>/dev/null || echo EACCES; rm -f $f",
        "files",
        "the program asks for its user id; its file is removed",
        reach="mnt",
        path="/tmp",  # noqa: S108 - in the place that is asked
    ),
    Probe(
        "give-file-away",
        "Can it give a file to another user?",
        "f=$(mktemp /tmp/asked-XXXXXX) || exit; syscall chown $f 1 1; rm -f $f",
        "files",
        "the file was made for this and is removed",
        reach="mnt",
        capabilities=("CAP_CHOWN",),
    ),
    Probe(
        "open-by-handle",
        "Can it open files by number, past every folder's permissions?",
        "syscall open_by_handle_at -100 :08000000ff0000000000000000000000 0",
        "files",
        "the handle is of type 0xff, which names no file: when permitted, the call ends with ESTALE",
        capabilities=("CAP_DAC_READ_SEARCH",),
        initial=True,
        proofs=("ESTALE", "EOPNOTSUPP"),
    ),
    Probe(
        "mount",
        "Can it mount a file system?",
        "syscall mount none /proc/self/ns tmpfs 0 no-such-option=1",
        "mounts",
        "the option does not exist: when permitted, the call ends with EINVAL before anything is mounted",
        reach="mnt",
        capabilities=("CAP_SYS_ADMIN",),
        proofs=("EINVAL",),
    ),
    Probe(
        "unmount",
        "Can it unmount one?",
        "syscall umount2 /proc/self/ns 0",
        "mounts",
        "nothing is mounted there: when permitted, the call ends with EINVAL",
        reach="mnt",
        capabilities=("CAP_SYS_ADMIN",),
        proofs=("EINVAL",),
    ),
    Probe(
        "change-mount",
        "Can it change how / is mounted?",
        "syscall mount_setattr -100 / 0 @ 32",
        "mounts",
        "no attribute is set nor cleared: when permitted, the call returns 0 without touching the mount",
        reach="mnt",
        capabilities=("CAP_SYS_ADMIN",),
    ),
    Probe(
        "swap-root",
        "Can it put another file system in the place of /?",
        "syscall pivot_root /no-such-folder /no-such-folder",
        "mounts",
        "the folder does not exist: when permitted, the call ends with ENOENT",
        reach="mnt",
        capabilities=("CAP_SYS_ADMIN",),
        proofs=("ENOENT",),
    ),
    Probe(
        "change-root",
        "Can it change its own root folder?",
        "syscall chroot /",
        "mounts",
        "the new root is the old one, and the caller ends at once",
        reach="process",
        capabilities=("CAP_SYS_CHROOT",),
    ),
    Probe(
        "write-cgroup",
        "May it change its cgroups?",
        "d=$(grep -m 1 ' - cgroup' /proc/self/mountinfo | cut -d ' ' -f 5); "
        "test $d || exec echo ENOENT; syscall access $d 2",
        "cgroups",
        "access(2) only asks; nothing is written",
        path="/sys/fs/cgroup",
    ),
)
