"""The network: socket(2), packet(7), ip(7), netdevice(7). Nothing leaves the loopback interface."""

from __future__ import annotations

from sandboxes.model import Probe

_LOOPBACK = "7f0000010000000000000000"
"""The end of a struct sockaddr_in (ip(7)): 127.0.0.1 and eight bytes of nothing."""

NETWORK = (
    Probe(
        "raw-socket",
        "Can it send any packet of the Internet protocol?",
        "syscall socket 2 3 1",
        "network",
        "the socket is closed unused",
        reach="net",
        capabilities=("CAP_NET_RAW",),
    ),
    Probe(
        "packet-socket",
        "Can it listen to all that a card receives?",
        "syscall socket 17 3 768",
        "network",
        "the socket is closed unread. Where af_packet is a module, the kernel loads that and keeps it, and does so "
        "before it looks at capabilities (net/socket.c)",
        reach="net",
        capabilities=("CAP_NET_RAW",),
    ),
    Probe(
        "low-port",
        "Can it take a port below 1024?",
        f"syscall socket 2 1 0 , bind = :02000001{_LOOPBACK} 16",
        "network",
        "port 1 of the loopback interface, closed at once and never listened on",
        reach="net",
        capabilities=("CAP_NET_BIND_SERVICE",),
        proofs=("EADDRINUSE",),
    ),
    Probe(
        "set-network",
        "Can it change a network card?",
        "syscall socket 2 2 0 , ioctl = 35092 @",
        "network",
        "the card has no name: when permitted, SIOCSIFFLAGS ends with ENODEV",
        reach="net",
        capabilities=("CAP_NET_ADMIN",),
        proofs=("ENODEV",),
    ),
    Probe(
        "reach-host-loopback",
        "Can it connect to a service on the host's own loopback?",
        f"syscall socket 2 1 0 , connect = :0200${{bait_port}}{_LOOPBACK} 16",
        "network",
        "the service was started for this; nothing is sent",
        reach="net",
    ),
    Probe(
        "reach-metadata",
        "Has it a way to a cloud's metadata service, which hands out credentials?",
        "syscall socket 2 2 0 , connect = :02000050a9fea9fe0000000000000000 16",
        "network",
        "connecting a datagram socket looks for a route to 169.254.169.254; no packet is sent (udp(7))",
        reach="net",
    ),
    Probe(
        "see-host-socket",
        "Does it see a socket of the host?",
        "grep -q @$bait_name /proc/net/unix && echo 0 || echo hidden",
        "network",
        "it reads a list",
        reach="net",
    ),
)
