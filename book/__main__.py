"""The verbs of `./textbook`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from book import bench, building, cleaning, diagnosis, in_guest, serving, testing
from book.console import note
from book.setup import packages, prepare
from sandboxes import containers
from sandboxes.errors import SandboxError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="textbook", description="Boundaries: virtual machines and containers, live.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")
    serve = verbs.add_parser("serve", help="build what is not built and open the book, with kernels behind its cells")
    serve.add_argument("--port", type=int, default=None, help="port on 127.0.0.1 (8888, or any free one)")
    serve.add_argument("--no-browser", action="store_true", help="only print the address")
    verbs.add_parser("build", help="execute the pages and write them to _build/html")
    verbs.add_parser("test", help="run the whole suite, or what the pytest arguments name", add_help=False)
    verbs.add_parser("soak", help="run the long campaigns in full", add_help=False)
    doctor = verbs.add_parser("doctor", help="say what was found on this machine, and what to do about what is missing")
    doctor.add_argument("--json", action="store_true", help="the same as data")
    verbs.add_parser("engine", help="make a container engine in a guest ready, for when there is no other; once")
    rows = verbs.add_parser("bench", help="measure our sandboxes against the plain tools, in turn, as ratios")
    rows.add_argument(
        "--json",
        metavar="FILE",
        type=Path,
        nargs="?",
        const=Path("-"),
        help="write rows as data (- or no FILE: to stdout)",
    )
    rows.add_argument("--pairs", type=int, default=15, help="pairs a row (at least 15 for a row worth keeping)")
    rows.add_argument(
        "--row", action="append", choices=[row.id for row in bench.ROWS], help="only this row; may be repeated"
    )
    clean = verbs.add_parser("clean", help="give the machine back; caches under ~/.cache stay")
    clean.add_argument("--packages", action="store_true", help="also uninstall the system packages that set-up added")
    return parser


def _run(argv: Sequence[str]) -> int:
    known, rest = _parser().parse_known_args(argv)
    if rest and known.verb not in ("test", "soak"):
        _parser().error(f"unknown arguments: {' '.join(rest)}")
    match known.verb:
        case "doctor":
            return diagnosis.doctor(as_json=known.json)
        case "clean":
            containers.remove_images()
            return cleaning.clean(with_packages=known.packages)
        case "test" | "soak":
            prepare(packages.TESTS)
            return testing.test(rest, full=known.verb == "soak")
        case "engine":
            prepare()
            return in_guest.engine()
        case "bench":
            prepare(packages.BENCH)
            return bench.bench(known.json, pairs=known.pairs, only=known.row or ())
        case "build":
            prepare()
            return building.build()
        case _:
            prepare()
            return building.build() or serving.serve(known.port, open_browser=not known.no_browser)


def main() -> int:
    """Exit status of the verb; errors of ours are three readable lines, not a traceback."""
    os.umask(0o022)
    try:
        return _run(sys.argv[1:])
    except (SandboxError, packages.PackagesMissing) as error:
        note(str(error))
        return 1
    except KeyboardInterrupt:
        note("Stopped.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
