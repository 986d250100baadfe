"""Requests and published ports, against real sockets of this machine; counters from recorded text."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sandboxes import kernel, model
from sandboxes.containers import web
from sandboxes.containers.relay import MOST_CONNECTIONS, Relay
from sandboxes.errors import BadRequest, Unavailable

RECORDED = Path(__file__).parent / "data/netns"


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/" else 404)
        self.end_headers()
        if self.path == "/slow":
            self.drip()
        self.wfile.write(b"x" * (5 << 20) if self.path == "/" else b"none")

    def drip(self) -> None:
        with contextlib.suppress(OSError):
            for _ in range(100):
                self.wfile.write(b".")
                self.wfile.flush()
                time.sleep(0.05)

    def log_message(self, format: str, *words: object) -> None:
        return


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def dial(address: str, port: int, timeout_s: float) -> socket.socket:
    return socket.create_connection((address, port), timeout_s)


def test_an_answer_has_status_headers_and_a_bounded_body(port: int) -> None:
    answer = web.get(dial, "127.0.0.1", "/", port, 5)
    assert (answer.status, answer.reason, answer.address) == (200, "OK", f"127.0.0.1:{port}")
    assert len(answer.body) == web.MOST_BYTES and answer.wall_ms > 0 and "Server" in answer.headers
    assert web.get(dial, "127.0.0.1", "/other", port, 5).body == "none"


def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="Nobody answers"):
        web.get(dial, "127.0.0.1", "/", 1, 1)


def test_an_answer_that_never_ends_is_given_up_in_time(port: int) -> None:
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="before the answer was whole"):
        web.get(dial, "127.0.0.1", "/slow", port, 0.4)
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("path", ["", "x", "/a b", "/a\r\nX: 1", "/é", None])
def test_a_bad_path_is_refused(path: str) -> None:
    with pytest.raises(BadRequest) as caught:
        web.get(dial, "127.0.0.1", path, 80, 1)
    assert caught.value.field == "path"


def test_a_relay_carries_both_ways_until_it_is_closed(port: int) -> None:
    relay = Relay(lambda: dial("127.0.0.1", port, 5), None)
    for _ in range(3):
        assert web.get(dial, "127.0.0.1", "/other", relay.port, 5).status == 404
    relay.close()
    relay.close()
    with pytest.raises(Unavailable):
        web.get(dial, "127.0.0.1", "/", relay.port, 1)


def test_a_relay_survives_many_callers_whom_nobody_answers() -> None:
    relay = Relay(lambda: dial("127.0.0.1", 1, 1), None)
    for _ in range(MOST_CONNECTIONS * 2):
        with pytest.raises(Unavailable):
            web.get(dial, "127.0.0.1", "/", relay.port, 2)
    relay.close()


def test_a_port_that_is_taken_is_told(port: int) -> None:
    with pytest.raises(BadRequest, match="cannot be had"):
        Relay(lambda: dial("127.0.0.1", port, 5), port)


def test_interfaces_are_summed_without_loopback() -> None:
    head = "Inter-|   Receive |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes\n"
    lines = "    lo: 100 1 0 0 0 0 0 0 100 1 0 0 0 0 0 0\n  eth0: 7 1 0 0 0 0 0 0 30 1 0 0 0 0 0 0\n"
    more = "  eth1:5 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n"
    assert kernel.parse_interfaces(head + lines + more) == (12, 50)
    assert kernel.parse_interfaces(head) == (0, 0)


def reading(at_s: float, usage_usec: int, periods: int, throttled: int) -> model.CgroupSample:
    cpu = model.CpuStat(usage_usec, 0.5, periods, throttled, 0)
    return model.CgroupSample(at_s, "v1", cpu, model.MemoryStat(1000, None, None, 0, 0), model.PidsStat(3, None, 0))


def test_rates_are_what_lies_between_two_readings() -> None:
    before = (reading(10.0, 1_000_000, 10, 5), (0, 100), (5, 5))
    after = (reading(12.0, 2_000_000, 30, 15), (4000, 100), (5, 25))
    seen = kernel.rates(before, after)
    assert (seen.interval_s, seen.cores, seen.throttled) == (2.0, 0.5, 0.5)
    assert (seen.read_bytes_per_s, seen.written_bytes_per_s) == (2000.0, 0.0)
    assert (seen.received_bytes_per_s, seen.sent_bytes_per_s) == (0.0, 10.0)


def test_what_the_kernel_does_not_count_is_none() -> None:
    seen = kernel.rates((reading(0, 0, 3, 0), None, None), (reading(1, 0, 3, 0), None, (1, 1)))
    assert (seen.throttled, seen.read_bytes_per_s, seen.sent_bytes_per_s) == (None, None, None)
