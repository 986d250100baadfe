"""The program that makes system calls by name, run for real on this machine."""

from __future__ import annotations

import errno
import os
import platform
import subprocess
from pathlib import Path

import pytest

from sandboxes.programs import is_static
from sandboxes.syscall import NUMBERS, syscall_program

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the program is machine code for x86-64")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "syscall"
    path.write_bytes(syscall_program())
    path.chmod(0o755)
    return path


def ask(program: Path, *words: str) -> tuple[str, int]:
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=10, check=False)
    assert done.stderr == ""
    return done.stdout, done.returncode


def test_it_is_small_static_and_always_the_same() -> None:
    assert syscall_program() == syscall_program()
    assert len(syscall_program()) < 4096
    assert is_static(syscall_program())


def test_it_prints_what_the_call_returned(program: Path) -> None:
    assert ask(program, "getuid") == (f"{os.getuid()}\n", 0)
    assert ask(program, "access", "/", "0") == ("0\n", 0)


def test_it_prints_the_name_of_the_error(program: Path) -> None:
    assert ask(program, "open", "/no-such-file", "0") == ("ENOENT\n", 1)
    assert ask(program, "umount2", "/proc/self/ns", "-1") == ("EINVAL\n", 1)


def test_every_error_has_its_place_and_none_looks_like_a_number() -> None:
    table = syscall_program().partition(b"EPERM\n")
    lines = (table[1] + table[2]).decode().splitlines()
    assert [lines[number - 1] for number in errno.errorcode] == list(errno.errorcode.values())
    assert len(lines) == 133 and all(line.startswith("E") for line in lines)


@pytest.mark.parametrize("words", [(), ("no-such-call",), ("getuid2",), ("getui",), ("",)])
def test_a_name_that_it_does_not_know_is_no_call(program: Path, words: tuple[str, ...]) -> None:
    assert ask(program, *words) == ("", 127)


def test_numbers_may_be_negative_and_text_is_passed_as_it_is(program: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    assert ask(program, "open", str(file), "65", "420", ",", "write", "=", "text", "4") == ("4\n", 0)
    assert file.read_text() == "text"
    assert ask(program, "finit_module", "-1", "@", "0")[0] in {"EBADF\n", "EPERM\n", "ENOSYS\n"}


def test_bytes_are_given_in_hexadecimal(program: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    ask(program, "open", str(file), "65", "420", ",", "write", "=", ":00ff0aA7", "4")
    assert file.read_bytes() == b"\x00\xff\x0a\xa7"


def test_the_result_of_one_call_is_an_argument_of_the_next(program: Path, tmp_path: Path) -> None:
    inherited = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    words = ("open", tmp_path / "file", "65", "420", ",", "write", "=", "text", "4")
    subprocess.run([program, *words], pass_fds=[inherited], stdout=subprocess.DEVNULL, timeout=10, check=True)
    os.close(inherited)
    assert ((tmp_path / "file").read_text(), (tmp_path / "other").read_text()) == ("text", "")


def test_zeros_are_zeros(program: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    assert ask(program, "open", str(file), "65", "420", ",", "write", "=", "@", "4096") == ("4096\n", 0)
    assert file.read_bytes() == bytes(4096)


def test_calls_follow_each_other_until_one_fails(program: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    words = ("open", str(file), "65", "420", ",", "open", "/no/file", "0", ",", "unlink", str(file))
    assert ask(program, *words) == ("ENOENT\n", 1)
    assert file.exists()


def test_a_call_that_waits_is_ended(program: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = subprocess.run([program, "open", tmp_path / "pipe", "0"], capture_output=True, timeout=20, check=False)
    assert done.returncode == -14, "SIGALRM"


def test_it_knows_the_numbers_of_this_machine_s_kernel_headers() -> None:
    header = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    if not header.is_file():
        pytest.skip("the kernel's headers are not installed")
    lines = [line.split() for line in header.read_text().splitlines() if line.startswith("#define __NR_")]
    known = {words[1].removeprefix("__NR_"): int(words[2]) for words in lines}
    assert NUMBERS.items() <= known.items()
