"""Waiting for QEMU from a thread that has no event loop."""

from __future__ import annotations

import asyncio
import signal
import threading

import pytest

from sandboxes.guests import monitor
from sandboxes.guests.monitor import MonitorLost


def test_an_answer_that_the_reader_no_longer_waits_for_is_not_waited_for_by_anybody() -> None:
    begun, ended = threading.Event(), threading.Event()

    async def question() -> None:
        try:
            begun.set()
            await asyncio.sleep(60)
        finally:
            ended.set()

    def stop() -> None:
        begun.wait(10)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=stop).start()
    with pytest.raises(KeyboardInterrupt):
        monitor._wait(question())
    assert ended.wait(10)


def test_a_question_without_an_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "CALL_S", 0.05)
    with pytest.raises(MonitorLost, match=r"no answer within 0\.05 s"):
        monitor._wait(asyncio.sleep(60))
