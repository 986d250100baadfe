"""How a container begins and ends in a guest, as shell text that the guest's agent runs."""

from __future__ import annotations

NAME_TAKEN = 3

START = """
mkdir "$1" || exit 3
cd "$1"
mkdir upper work rootfs && cat >config.json || exit
mount -t overlay -o "lowerdir=$2,upperdir=upper,workdir=work" overlay rootfs || exit
crun --log=log run --detach --pid-file=pid "${1##*/}" </dev/null >/dev/null 2>error || { cat log error >&2; exit 1; }
crun --version | head -1
"""
"""For the container's folder and its layers, the topmost first, with config.json as input; prints the runtime."""

END = """
crun delete --force "${1##*/}" 2>/dev/null
umount "$1/rootfs" 2>/dev/null
rm -rf "$1"
[ ! -d "$2" ] || find "$2" -depth -type d -exec rmdir {} \\;
"""
"""For the container's folder and its cgroup's. Nothing of it is left."""

RUN = """
group=$1 below=$2 log=$3 name=$4 told=$5
[ -z "$7" ] || exec >"$7"
printf %s "$6" >"$log.json"
if mkdir "$group" 2>"$log"; then
    crun --log="$log" exec --cgroup="$below" --process="$log.json" "$name"
    code=$?
    rmdir "$group" 2>/dev/null
fi
[ -s "$log" ] && code=125 && echo "$told: $(cat "$log")" >&2
rm -f "$log" "$log.json"
exit $code
"""
"""For a cgroup of its own, its path below the container's, a log for the runtime, the container's name, a word that
marks the runtime's own complaint, the command as the runtime takes it, and a file of the guest for what it writes, or
nothing: then that goes to the caller."""

BEGIN = """
printf %s "$5" >"$3.json"
mkdir "$1" 2>"$3" || exit 125
exec crun --log="$3" exec --cgroup="$2" --process="$3.json" "$4"
"""
"""The same, without that word, for a command that goes on by itself."""

KILL = """
[ ! -d "$1" ] || echo 1 >"$1/cgroup.kill"
until [ ! -d "$1" ] || rmdir "$1" 2>/dev/null; do usleep 5000; done
rm -f "$2" "$2.json"
"""
"""For a command's cgroup and log: nobody is in it, both are gone. Source: cgroup-v2.rst, cgroup.kill (Linux 5.14)."""

FREEZE = """
echo "$2" >"$1/cgroup.freeze" || exit
until grep -qx "frozen $2" "$1/cgroup.events"; do usleep 2000; done
"""
"""For a cgroup and 1 or 0. Source: cgroup-v2.rst, cgroup.freeze (Linux 5.2)."""

LIMIT = """
cd "$1" || exit 1
shift
while [ $# -gt 0 ]; do
    printf %s "$2" >"$1" || exit 2
    shift 2
done
"""
"""For a cgroup, and pairs of file and text."""

MEMBER = """
while [ -d "/proc/$3" ]; do
    for pid in $(cat "$1/cgroup.procs" 2>/dev/null); do
        inside=$(sed -n 's/^NSpid:.*[[:space:]]//p' "/proc/$pid/status" 2>/dev/null)
        [ -n "$inside" ] && grep -qv crun "/proc/$pid/comm" && echo "$pid $inside" && break 2
    done
    [ -s "$2" ] && break
    usleep 5000
done
[ -s "$2" ] && echo "failed $(cat "$2")"
rm -f "$2" "$2.json"
true
"""
"""For a command's cgroup, its log and the number of the runtime that begins it: the numbers of its first process in the
guest and in the container, once it has become the command; or what the runtime complains of; nothing: it has ended."""
