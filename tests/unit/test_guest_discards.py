"""Who shares a template's file punches no holes into it, and does not notice."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading

from sandboxes.guests.discards import punch_no_holes

PUNCH = """
import ctypes, os, sys
number = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
print(libc.fallocate(number, 3, ctypes.c_long(0), ctypes.c_long(4096)), os.fstat(number).st_blocks)
"""
"""FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE (fallocate(2))."""


def punched(*, filtered: bool) -> tuple[str, bytes]:
    """What a child says that fallocate() gave, and the file's first bytes afterwards."""
    said: list[str] = []
    with tempfile.TemporaryFile() as file:
        file.write(b"kept" * 4096)
        file.flush()

        def work() -> None:
            if filtered:
                punch_no_holes()
            words = [sys.executable, "-c", PUNCH, str(file.fileno())]
            done = subprocess.run(words, pass_fds=[file.fileno()], capture_output=True, text=True, check=True)
            said.append(done.stdout.split()[0])

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return said[0], os.pread(file.fileno(), 4, 0)


def test_a_hole_that_is_punched_is_not_there_and_no_error_is_seen() -> None:
    assert punched(filtered=True) == ("0", b"kept")


def test_the_thread_that_took_the_filter_had_it_alone() -> None:
    punched(filtered=True)
    assert punched(filtered=False) == ("0", bytes(4))
