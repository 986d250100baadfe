"""Links, addresses and routes of a process's network namespace, from the text of /proc/PID/net: proc_pid_net(5)."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterable, Iterator
from typing import Literal

from sandboxes.errors import SandboxGone
from sandboxes.kernel.reading import of
from sandboxes.model import Link, NetworkStack, Route

ByteOrder = Literal["little", "big"]

_UP, _GATEWAY, _REJECT = 0x1, 0x2, 0x200
"""include/uapi/linux/route.h"""

_ANYCAST, _LOCAL = 0x00100000, 0x80000000
"""include/uapi/linux/ipv6_route.h"""


def network(pid: int) -> NetworkStack:
    """The links that a process can use, with their addresses and counters, and its routes (the main table).

    Raises SandboxGone when it has ended, Unavailable when it may not be looked at.
    """
    return parse_network(
        of(pid, "net/dev"),
        of(pid, "net/route"),
        of(pid, "net/fib_trie"),
        _maybe(pid, "net/if_inet6"),
        _maybe(pid, "net/ipv6_route"),
    )


def _maybe(pid: int, name: str) -> str:
    """A kernel without version 6 of IP has no such file."""
    try:
        return of(pid, name)
    except SandboxGone:
        of(pid, "status")
        return ""


def parse_network(dev: str, route: str, fib_trie: str, if_inet6: str = "", ipv6_route: str = "") -> NetworkStack:
    """From the texts of the five files. Their addresses of version 4 name no link: see place()."""
    routes = (*parse_routes(route), *parse_routes_v6(ipv6_route))
    placed, unplaced = place(parse_local_addresses(fib_trie), routes)
    addresses = [*placed, *parse_addresses_v6(if_inet6)]
    links = tuple(
        Link(name, tuple(address for of_link, address in addresses if of_link == name), *counters)
        for name, counters in parse_counters(dev).items()
    )
    return NetworkStack(links, routes, unplaced)


def place(addresses: Iterable[str], routes: Iterable[Route]) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """(link, address/prefix) by the narrowest route to neighbours that covers an address; and those that none covers.

    127.0.0.0/8 is the loopback link's by definition (RFC 1122, 3.2.1.3).
    """
    near = {ipaddress.IPv4Network("127.0.0.0/8"): "lo"}
    for route in routes:
        if route.link and route.gateway is None and ":" not in route.destination:
            near.setdefault(ipaddress.IPv4Network(route.destination), route.link)
    by_width = sorted(near.items(), key=lambda entry: -entry[0].prefixlen)
    placed, unplaced = [], []
    for address in addresses:
        for network_, link in by_width:
            if ipaddress.IPv4Address(address) in network_ and network_.prefixlen < 32:
                placed.append((link, f"{address}/{network_.prefixlen}"))
                break
        else:
            unplaced.append(address)
    return placed, tuple(unplaced)


def parse_counters(dev: str) -> dict[str, tuple[int, int, int, int]]:
    """Link -> bytes and packets received, bytes and packets sent: fields 1, 2, 9, 10 of /proc/PID/net/dev."""
    found = {}
    for line in dev.splitlines()[2:]:
        name, _, figures = line.rpartition(":")
        words = [int(word) for word in figures.split()]
        found[name.strip()] = (words[0], words[1], words[8], words[9])
    return found


def parse_local_addresses(fib_trie: str) -> tuple[str, ...]:
    """The machine's own addresses of version 4: "host LOCAL" leaves of the trie, each once (fib_trie.rst)."""
    found, leaf = {}, ""
    for line in fib_trie.splitlines():
        words = line.split()
        if words[0] == "|--":
            leaf = words[1]
        elif words[:3] == ["/32", "host", "LOCAL"]:
            found[leaf] = True
    return tuple(found)


def parse_addresses_v6(if_inet6: str) -> Iterator[tuple[str, str]]:
    """(link, address/prefix); fields are address, link number, prefix length, scope, flags, link, in hexadecimal."""
    for line in if_inet6.splitlines():
        digits, _, prefix, _, _, link = line.split()
        yield link, f"{_v6(digits)}/{int(prefix, 16)}"


def parse_routes(route: str, byteorder: ByteOrder = sys.byteorder) -> tuple[Route, ...]:
    """Lines "Iface Destination Gateway Flags RefCnt Use Metric Mask …"; addresses are in the machine's byte order."""
    found = []
    for line in route.splitlines()[1:]:
        link, destination, gateway, flags, _, _, metric, mask, *_ = line.split()
        bits = int(flags, 16)
        if bits & _UP:
            width = int(mask, 16).bit_count()
            via = _v4(gateway, byteorder) if bits & _GATEWAY else None
            target = f"{_v4(destination, byteorder)}/{width}"
            refused = bool(bits & _REJECT) or link == "*"
            found.append(Route(target, via, None if refused else link, int(metric), refused))
    return tuple(found)


def parse_routes_v6(ipv6_route: str) -> tuple[Route, ...]:
    """Destination, its prefix, source, its prefix, next hop, metric, references, uses, flags, link, in hexadecimal.

    Left out, as by `ip -6 route`: this machine's own addresses, multicast, and the kernel's entry for "no route".
    """
    found = []
    for line in ipv6_route.splitlines():
        destination, width, _, _, hop, metric, _, _, flags, link = line.split()
        bits = int(flags, 16)
        own = bits & (_LOCAL | _ANYCAST) or destination.startswith("ff") or int(metric, 16) == 0xFFFFFFFF
        if not own:
            via = _v6(hop) if bits & _GATEWAY else None
            target = f"{_v6(destination)}/{int(width, 16)}"
            refused = bool(bits & _REJECT)
            found.append(Route(target, via, None if refused else link, int(metric, 16), refused))
    return tuple(found)


def _v4(digits: str, byteorder: ByteOrder) -> str:
    return str(ipaddress.IPv4Address(int(digits, 16).to_bytes(4, byteorder)))


def _v6(digits: str) -> str:
    return str(ipaddress.IPv6Address(bytes.fromhex(digits)))
