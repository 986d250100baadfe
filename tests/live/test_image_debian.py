"""The book's Debian: small, with what the lessons need, usable by a user without privileges; made once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from sandboxes import containers
from sandboxes.containers import ContainerSandbox
from sandboxes.errors import Unavailable
from sandboxes.lifecycle import cache_folder

pytestmark = [pytest.mark.usefixtures("engine_ready"), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def box(engine_ready: None) -> Iterator[ContainerSandbox]:
    """A hardened container of it; the first one on a machine makes the image."""
    try:
        made = containers.container(image="debian", memory="256M", cpus=1)
    except Unavailable as missing:
        pytest.skip(str(missing))
    with made:
        yield made


def test_it_is_the_distribution_that_it_says_it_is(box: ContainerSandbox) -> None:
    assert box.run(". /etc/os-release; echo $ID").stdout.strip() in ("debian", "ubuntu")
    assert box.run("dpkg-query -W -f '${db:Status-Abbrev}\\n' | sort -u").stdout.split() == ["ii"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("python3 -c 'import http.server, json, ssl; print(6 * 7)'", "42"),
        ("ps -o comm= -p 1", "docker-init"),
        ("ip -brief address show lo", "127.0.0.1/8"),
        ("ping -c 1 -W 2 127.0.0.1", "1 packets transmitted, 1 received"),
        ("id -un", "reader"),
        ("syscall getuid", "1000"),
        ("cd && pwd", "/home/reader"),
    ],
)
def test_an_unprivileged_user_can_work_in_it(box: ContainerSandbox, command: str, told: str) -> None:
    done = box.run(command)
    assert told in done.stdout and done.exit_code == 0, repr(done)


def test_it_carries_no_documentation_no_caches_and_nothing_of_this_machine(box: ContainerSandbox) -> None:
    files = [path for path, entry in containers.image(name="debian").contents().files.items() if entry.kind == "file"]
    for folder in (
        "usr/share/doc/",
        "usr/share/man/",
        "usr/share/locale/",
        "var/cache/apt/archives/",
        "var/lib/apt/lists/",
    ):
        assert [path for path in files if path.startswith(folder) and not path.endswith("/lock")] == []
    assert (
        box.run("cat /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/apt/apt.conf.d/99* 2>/dev/null").stdout == ""
    )
    assert box.run("grep -rlE 'https?://' /etc/apt").stdout == ""


def test_it_is_small_and_no_operating_system() -> None:
    image = containers.image(name="debian")
    assert image.size_bytes < 150 << 20
    parts = image.system_parts()
    assert (parts.kernels, parts.modules, parts.inits, parts.bootloaders) == ((), (), (), ())


def test_it_can_be_built_on() -> None:
    text = "FROM debian\nCOPY main.py /\nRUN python3 -m py_compile /main.py\n"
    with (
        containers.image(text, files={"main.py": "print('built')\n"}) as built,
        containers.container(image=built) as box,
    ):
        assert box.run("python3 /main.py").stdout == "built\n"


def test_what_a_second_engine_gets_is_the_file_in_the_cache(box: ContainerSandbox) -> None:
    folder = cache_folder() / "images"
    tag = box.image.rpartition(":")[2]
    sums = [path.read_text() for path in folder.glob("debian-*.tar.sha256")]
    assert any(line.startswith(tag) for line in sums), "an image is called by the content of its archive"
    assert not list(folder.glob(".debian-*-*")), "nothing is left of its making"


AT_ONCE = """
import threading
import sandboxes.containers as c
from concurrent.futures import ThreadPoolExecutor
c.engine()
together = threading.Barrier(6)
def one(number):
    together.wait()
    with c.container(image="debian", memory=None, cpus=None, pids=None) as box:
        return box.run(["echo", str(number)]).stdout.strip()
with ThreadPoolExecutor(6) as threads:
    print(*threads.map(one, range(6)))
"""


@pytest.mark.usefixtures("box")
def test_it_is_brought_once_when_many_threads_ask_a_new_engine_for_it() -> None:
    done = subprocess.run([sys.executable, "-c", AT_ONCE], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == "0 1 2 3 4 5\n", done.stderr
