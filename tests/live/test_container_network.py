"""Containers on networks: names, isolation, published ports and requests from this machine."""

from __future__ import annotations

import contextlib
import os
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes import containers
from sandboxes.containers import ContainerSandbox, Network
from sandboxes.errors import BadRequest, SandboxGone, Unavailable

pytestmark = pytest.mark.usefixtures("engine_ready")

PAGE = "<h1>from a container</h1>\n"


@pytest.fixture(scope="module")
def front(engine_ready: None) -> Iterator[Network]:
    with containers.network("front") as made:
        yield made


@pytest.fixture(scope="module")
def web(front: Network) -> Iterator[ContainerSandbox]:
    with containers.container(network=front, name="web", files={"/tmp/www/index.html": PAGE}, ports={80: None}) as made:
        made.start(["httpd", "-f", "-p", "80", "-h", "/tmp/www"])
        answered(made)
        yield made


def answered(box: ContainerSandbox) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            box.http()
            return
        except Unavailable:
            time.sleep(0.05)


def test_members_find_each_other_by_name(front: Network, web: ContainerSandbox) -> None:
    with containers.container(network=front, name="client") as client:
        seen = client.run("wget -q -O - http://web/ 2>/dev/null || nc web 80", stdin="GET / HTTP/1.0\r\n\r\n")
        assert PAGE in seen.stdout
        facts = front.facts()
        assert facts.members == {"web": web.addresses()["front"], "client": client.facts().addresses["front"]}
        assert facts.internal and facts.subnet and facts.name == "front"


def test_of_two_members_of_one_name_the_one_that_was_asked_answers(front: Network, web: ContainerSandbox) -> None:
    with containers.container(network=front, name="web", files={"/tmp/www/index.html": "the other\n"}) as twin:
        twin.start(["httpd", "-f", "-p", "80", "-h", "/tmp/www"])
        answered(twin)
        assert (front.http(web).body, front.http(twin).body) == (PAGE, "the other\n")
        members = front.facts().members
        assert set(members.values()) == {web.addresses()["front"], twin.addresses()["front"]}
        assert all(name.startswith("web-") for name in members)
    assert list(front.facts().members) == ["web"]
    with pytest.raises(BadRequest, match="no member"):
        front.http(twin)


def test_another_network_is_out_of_reach(front: Network, web: ContainerSandbox) -> None:
    address = web.addresses()["front"]
    for internal in (True, False):
        with (
            containers.network(internal=internal) as back,
            containers.container(network=back, profile="open") as other,
        ):
            assert other.run(["ping", "-c", "1", "-W", "1", address]).exit_code != 0
            assert other.run("timeout 1 nslookup web").exit_code != 0


def test_a_container_may_be_in_two_networks(front: Network, web: ContainerSandbox) -> None:
    with (
        containers.network("back") as back,
        containers.container(network=[front, back], profile="open") as both,
        containers.container(network=back, name="db", profile="open"),
    ):
        assert set(both.addresses()) == {"front", "back"}
        assert both.run("ping -c 1 -W 2 web && ping -c 1 -W 2 db").exit_code == 0


def test_a_request_reaches_a_member_without_a_published_port(front: Network, web: ContainerSandbox) -> None:
    answer = web.http("/index.html")
    assert (answer.status, answer.body) == (200, PAGE)
    assert answer.headers["Content-Length"] == str(len(PAGE)) and 0 < answer.wall_ms < 10_000
    assert front.http(web).body == PAGE
    assert web.http("/none").status == 404
    with pytest.raises(Unavailable, match="Nobody answers"):
        web.http(port=81)


def test_a_published_port_is_one_of_this_machines_loopback_alone(web: ContainerSandbox) -> None:
    port = web.facts().ports[80]
    for _ in range(3):
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read().decode() == PAGE
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if " 0A " in line]
    assert [address for address in listening if address.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


def test_a_port_is_published_later_too_and_closed_with_its_container(front: Network) -> None:
    links = set(os.listdir("/sys/class/net"))
    with containers.container(network=front, name="echo") as box:
        box.start(["nc", "-ll", "-p", "7000", "-e", "cat"])
        port = box.publish(7000)
        assert box.publish(7000) == port
        until = time.monotonic() + 5
        said = b""
        while said != b"over there\n" and time.monotonic() < until:
            with (
                contextlib.suppress(OSError),  # until the server inside listens
                socket.create_connection(("127.0.0.1", port), timeout=5) as line,
            ):
                line.sendall(b"over there\n")
                line.shutdown(socket.SHUT_WR)
                said = line.makefile("rb").read()
        assert said == b"over there\n"
        assert box.publish(7000, at=port) == port
        with pytest.raises(BadRequest, match="published already") as elsewhere:
            box.publish(7000, at=port - 1 if port > 1024 else port + 1)
        with pytest.raises(BadRequest, match="cannot be had") as taken:
            box.publish(7001, at=port)
        assert elsewhere.value.field == taken.value.field == "at"
        with pytest.raises(BadRequest, match="cannot be had") as refused:
            containers.container(network=front, ports={80: port})
        assert refused.value.field == "ports"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    if containers.engine().origin != "reader":
        assert set(os.listdir("/sys/class/net")) == links, "the host's own network is not touched"


def test_without_a_network_there_is_loopback_only_and_nothing_to_reach() -> None:
    with containers.container() as box:
        assert box.run("ls /sys/class/net").stdout == "lo\n"
        assert "127.0.0.1/8" in box.run("ip -o -4 addr").stdout, "and it is up"
        assert box.run("ping -c 1 localhost; getent hosts localhost; nslookup localhost; true").exit_code == 0
        assert box.run(["grep", "-c", "localhost", "/etc/hosts"]).exit_code == 0
        assert box.facts().addresses == {} == box.addresses()
        for call in (box.http, lambda: box.publish(80)):
            with pytest.raises(BadRequest, match="network"):
                call()


def test_it_is_the_network_that_docker_calls_none() -> None:
    engine = containers.engine()
    config = {"Image": engine.ready_image(None), "Cmd": ["sleep", "60"], "HostConfig": {"NetworkMode": "none"}}
    config["Labels"] = engine.owner.label  # type: ignore[assignment]
    made = engine.api.create_container_from_config(config, None)  # type: ignore[no-untyped-call]
    try:
        engine.api.start(made["Id"])
        asked = engine.api.exec_create(made["Id"], ["sh", "-c", "ls /sys/class/net; ip -o -4 addr; ip route"])
        plain = engine.api.exec_start(asked["Id"]).decode()
    finally:
        engine.api.remove_container(made["Id"], force=True)
    with containers.container() as box:
        assert box.run("ls /sys/class/net; ip -o -4 addr; ip route").stdout == plain


def test_a_closed_network_takes_nobody(front: Network) -> None:
    net = containers.network()
    with containers.container(network=net, name="member") as box:
        net.close()
        net.close()
        assert box.addresses() == {}
        with pytest.raises(SandboxGone):
            net.facts()
    with pytest.raises(SandboxGone):
        containers.container(network=net)
