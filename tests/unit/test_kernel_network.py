"""Links, addresses and routes of a network namespace, from the kernel's text alone."""

from __future__ import annotations

import os
from pathlib import Path

from sandboxes import kernel
from sandboxes.kernel.network import parse_local_addresses, parse_routes, place
from sandboxes.model import Link, Network, Route

DATA = Path(__file__).parent / "data"
FILES = ("dev", "route", "fib_trie", "if_inet6", "ipv6_route")


def recorded(folder: str) -> Network:
    return kernel.parse_network(*((DATA / folder / name).read_text() for name in FILES))


def test_a_container_has_a_link_an_address_and_a_way_out() -> None:
    seen = recorded("container/open/net")
    assert seen.links == (Link("lo", ("127.0.0.1/8",), 0, 0, 0, 0), Link("eth0", ("172.17.0.2/16",), 200, 2, 0, 0))
    assert seen.routes == (
        Route("0.0.0.0/0", "172.17.0.1", "eth0", 0, False),
        Route("172.17.0.0/16", None, "eth0", 0, False),
    )
    assert seen.unplaced == ()


def test_several_addresses_of_both_versions_find_their_links() -> None:
    links = {link.name: link.addresses for link in recorded("netns").links}
    assert links["lo"] == ("127.0.0.1/8", "::1/128")
    assert links["left"] == ("10.1.2.3/24", "10.1.2.4/24", "fe80::6c4c:e4ff:fe0d:1ae8/64", "fd00:7::2/64")
    assert links["right"] == ("fe80::94e9:65ff:fef7:5234/64",)


def test_an_address_that_no_route_places_is_shown_apart() -> None:
    assert recorded("netns").unplaced == ("10.9.9.9",)


def test_routes_of_both_versions_are_read() -> None:
    seen = recorded("netns").routes
    assert Route("192.168.0.0/16", "10.1.2.9", "left", 50, False) in seen
    assert Route("::/0", "fd00:7::1", "left", 1024, False) in seen
    assert Route("fd00:7::/64", None, "left", 256, False) in seen


def test_routes_to_nowhere_have_no_link() -> None:
    refused = {route.destination for route in recorded("netns").routes if route.refused}
    assert refused == {"10.66.0.0/16", "10.67.0.0/16", "fd00:66::/32"}
    assert all(route.link is None for route in recorded("netns").routes if route.refused)


def test_the_kernels_own_entries_of_version_6_are_left_out() -> None:
    destinations = [route.destination for route in recorded("netns").routes]
    assert not {"::1/128", "fd00:7::2/128", "ff00::/8"} & set(destinations)
    assert destinations.count("::/0") == 1


def test_the_narrowest_network_has_the_address() -> None:
    routes = [Route("10.0.0.0/8", None, "wide", 0, False), Route("10.1.0.0/16", None, "narrow", 0, False)]
    assert place(["10.1.0.7", "10.2.0.7"], routes) == ([("narrow", "10.1.0.7/16"), ("wide", "10.2.0.7/8")], ())


def test_a_machine_of_the_other_byte_order_writes_addresses_the_other_way_round() -> None:
    route = "Iface Destination …\neth0\tAC110000\t00000000\t0001\t0\t0\t0\tFFFF0000\t0\t0\t0\n"
    assert parse_routes(route, "big")[0].destination == "172.17.0.0/16"


def test_an_address_with_two_roles_is_local_once() -> None:
    leaf = "  |-- 10.0.0.1\n     /32 link UNICAST\n     /32 host LOCAL\n"
    trie = f"Main:\n{leaf}Local:\n{leaf}"
    assert parse_local_addresses(trie) == ("10.0.0.1",)


def test_our_own_loopback_link_is_there() -> None:
    assert "lo" in {link.name for link in kernel.network(os.getpid()).links}
