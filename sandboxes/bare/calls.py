"""The kernel calls that make a container, one function each.

Each changes what the process is in that makes it, so a notebook never calls them itself: the process of `program` does.
Standard library only, and everything is imported at the start: once the root file system has been changed, Python's
own files are out of reach.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import signal
import socket
import struct

LIBC = ctypes.CDLL(None, use_errno=True)

NAMESPACES = {  # include/uapi/linux/sched.h
    "time": 0x00000080,
    "mnt": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 8, 32, 0x1000, 0x4000, 0x40000  # mount(2)
DETACH = 2  # umount2(2)
GET_DUMPABLE, SET_DUMPABLE, SET_KEEPCAPS, SET_SECCOMP = 3, 4, 8, 22  # prctl(2)
CAPBSET_DROP, SET_CHILD_SUBREAPER, SET_NO_NEW_PRIVS = 24, 36, 38
CAP_AMBIENT, CAP_AMBIENT_CLEAR_ALL = 47, 4  # prctl(2)
CAPABILITY_VERSION_3 = 0x20080522  # capset(2)
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
SCORE: list[int] = []
"""Our own oom_score_adj, open for writing."""
MASKED = (
    *("proc/acpi", "proc/asound", "proc/kcore", "proc/keys", "proc/latency_stats", "proc/timer_list"),
    *("proc/timer_stats", "proc/sched_debug", "proc/scsi", "sys/firmware"),
)
READ_ONLY = ("proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger")
"""What Docker masks and protects (docker docs, "Protect the host"; OCI runtime-spec, maskedPaths, readonlyPaths)."""


def libc(name: str, *arguments: object) -> None:
    """Call a function of the C library. Raises OSError with the kernel's errno."""
    if getattr(LIBC, name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def mount(source: str | None, target: str, kind: str | None, flags: int = 0, options: str | None = None) -> None:
    """mount(2)."""
    words = [word.encode() if word is not None else None for word in (source, target, kind)]
    libc("mount", *words, ctypes.c_ulong(flags), options.encode() if options else None)


def prctl(option: int, *arguments: int) -> None:
    """prctl(2): it wants five numbers, the unused ones zero."""
    libc("prctl", option, *(ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]))


def join_cgroup(files: list[str]) -> None:
    """Become a member: "0" written to cgroup.procs or tasks means the process that writes (cgroups(7))."""
    for file in files:
        with open(file, "w") as handle:
            handle.write("0")


def unshare(kinds: list[str]) -> None:
    """Leave these namespaces for new ones: unshare(2).

    A new mount namespace is cut off from the old one, so that no mount in it shows outside. New pid and time namespaces
    take in only the children of the caller, so a child goes on in its place: process 1 of the new pid namespace.
    """
    libc("unshare", sum(NAMESPACES[kind] for kind in kinds))
    if "mnt" in kinds:
        mount(None, "/", None, REC | PRIVATE)
    if "pid" in kinds or "time" in kinds:
        if os.fork():
            os._exit(0)
        open_score()


def setuid(uid: int) -> None:
    """Become another user: setresuid(2), setresgid(2), setgroups(2). Capabilities stay, to be given up apart."""
    prctl(SET_KEEPCAPS, 1)
    with contextlib.suppress(PermissionError):  # a user namespace made without privilege has no groups to give up
        os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    prctl(SET_KEEPCAPS, 0)
    _, permitted, _ = capget()
    capset(permitted, permitted, 0)


def sethostname(name: str) -> None:
    """sethostname(2): the name that everybody in this uts namespace sees."""
    socket.sethostname(name)


def loopback() -> None:
    """Bring up `lo`, which is down in a new network namespace: SIOCSIFFLAGS with IFF_UP (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh22x", b"lo", 0x1))


def overlay(lower: str, size_bytes: int, read_only: bool) -> None:
    """A root file system at top/root: `lower`, never written to, and above it a tmpfs that takes all changes."""
    mount("tmpfs", "top", "tmpfs", NOSUID | NODEV, f"size={size_bytes},mode=755")
    for name in ("upper", "work", "root"):
        os.mkdir(f"top/{name}")
    mount("overlay", "top/root", "overlay", NODEV, f"lowerdir={lower},upperdir=top/upper,workdir=top/work")
    if read_only:
        mount(None, "top/root", None, REMOUNT | BIND | RDONLY | NODEV)


def proc(root: str, bind: bool) -> None:
    """Mount /proc: it shows the pid namespace of whoever mounts it (proc(5)). `bind` shows the old one again."""
    if bind:
        mount("/proc", f"{root}/proc", None, BIND | REC)
    else:
        mount("proc", f"{root}/proc", "proc", NOSUID | NODEV | NOEXEC)


def sysfs(root: str) -> None:
    """Mount /sys, read-only: it shows the network namespace of whoever mounts it (sysfs(5))."""
    mount("sysfs", f"{root}/sys", "sysfs", RDONLY | NOSUID | NODEV | NOEXEC)


def mask(root: str) -> None:
    """Hide what /proc and /sys tell about the whole machine under /dev/null and an empty tmpfs; protect settings."""
    for path in (f"{root}/{name}" for name in MASKED):
        if os.path.isdir(path):
            mount("tmpfs", path, "tmpfs", RDONLY | NOSUID | NODEV | NOEXEC, "size=4k")
        elif os.path.exists(path):
            mount("/dev/null", path, None, BIND)
    for path in (f"{root}/{name}" for name in READ_ONLY):
        if os.path.exists(path):
            mount(path, path, None, BIND | REC)
            mount(None, path, None, REMOUNT | BIND | RDONLY | NOSUID | NODEV | NOEXEC)


def dev(root: str) -> None:
    """A /dev with the few devices that do no harm; each is the host's own, bound to a new name (mount(2), MS_BIND)."""
    mount("tmpfs", f"{root}/dev", "tmpfs", NOSUID | NOEXEC, "size=64k,mode=755")
    for name in DEVICES:
        os.close(os.open(f"{root}/dev/{name}", os.O_CREAT | os.O_WRONLY))
        mount(f"/dev/{name}", f"{root}/dev/{name}", None, BIND)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink(f"/proc/self/fd/{number}", f"{root}/dev/{name}")
    os.symlink("/proc/self/fd", f"{root}/dev/fd")


def pivot_root() -> None:
    """top/root becomes the root, and the old one is let go: pivot_root(2), `pivot_root(".", ".")` in its notes."""
    os.chdir("top/root")
    libc("pivot_root", b".", b".")
    libc("umount2", b".", DETACH)
    os.chdir("/")


def drop_capabilities(keep: list[int]) -> None:
    """Give up all capabilities but these, for good: the bounding set first, then capset(2) (capabilities(7))."""
    with contextlib.suppress(OSError):  # EINVAL: the kernel knows no capability of so high a number
        for capability in range(64):
            if capability not in keep:
                prctl(CAPBSET_DROP, capability)
    kept = sum(1 << capability for capability in keep) & capget()[1]
    prctl(CAP_AMBIENT, CAP_AMBIENT_CLEAR_ALL)
    capset(kept, kept, 0)


def capget() -> tuple[int, int, int]:
    """The effective, permitted and inheritable set of the caller, as bits: capget(2)."""
    header, data = struct.pack("Ii", CAPABILITY_VERSION_3, 0), ctypes.create_string_buffer(24)
    libc("capget", header, data)
    low_and_high = struct.unpack("6I", data.raw)
    effective, permitted, inheritable = (low_and_high[i] | low_and_high[i + 3] << 32 for i in range(3))
    return effective, permitted, inheritable


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """capset(2)."""
    sets = (effective, permitted, inheritable)
    words = [*(bits & 0xFFFFFFFF for bits in sets), *(bits >> 32 for bits in sets)]
    libc("capset", struct.pack("Ii", CAPABILITY_VERSION_3, 0), struct.pack("6I", *words))


def no_new_privs() -> None:
    """From now on no execve(2) gains anything from set-user-ID bits or file capabilities (prctl(2))."""
    prctl(SET_NO_NEW_PRIVS, 1)


def seccomp(program: str) -> None:
    """Every call from now on is judged by this filter, a BPF program as hexadecimal text (seccomp(2))."""
    code = bytes.fromhex(program)
    instructions = ctypes.create_string_buffer(code, len(code))
    header = ctypes.create_string_buffer(struct.pack("HP", len(code) // 8, ctypes.addressof(instructions)))
    prctl(SET_SECCOMP, 2, ctypes.addressof(header))


def execve(words: list[str], environment: dict[str, str], streams: tuple[int, int, int]) -> int:
    """Start a program in a child, and return its pid: fork(2) and execve(2) in one, without a copy of this process.

    That is posix_spawn(3). Out of memory, the kernel shall end commands first, not what starts them: a child has the
    score of its parent, which is raised for the moment (proc_pid_oom_score_adj(5)).
    """
    folders = [""] if "/" in words[0] else [f"{folder}/" for folder in environment["PATH"].split(":")]
    program = next((folder + words[0] for folder in folders if os.access(folder + words[0], os.F_OK)), None)
    if program is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    os.pwrite(SCORE[0], b"1000", 0)
    try:
        return os.posix_spawn(
            program,
            words,
            environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, handle, number) for number, handle in enumerate(streams)],
            setsid=True,
            setsigdef=[signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ],  # ignored here, and that would be handed on
        )
    finally:
        os.pwrite(SCORE[0], b"0", 0)


def open_score() -> None:
    """Keep our own oom_score_adj open for writing: it will not be possible any more as another user.

    While a process is not dumpable, as after setuid(2), its files in /proc are root's (proc(5)).
    """
    dumpable = LIBC.prctl(GET_DUMPABLE, 0, 0, 0, 0)
    prctl(SET_DUMPABLE, 1)
    for handle in SCORE:
        os.close(handle)
    SCORE[:] = [os.open("/proc/self/oom_score_adj" if os.path.exists("/proc/self") else "/dev/null", os.O_WRONLY)]
    prctl(SET_DUMPABLE, int(dumpable == 1))
