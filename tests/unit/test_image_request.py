"""What may be asked of image(…): checked before an engine is looked for."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sandboxes import containers
from sandboxes.containers.images import context, instructions, pulling
from sandboxes.containers.images import image as image_module
from sandboxes.errors import BadRequest

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked_for() -> None:
        raise AssertionError("an engine was looked for")

    monkeypatch.setattr(image_module, "engine", looked_for)


@pytest.mark.parametrize(
    "files",
    [
        {"/etc/passwd": "x"},
        {"../up": "x"},
        {"a/../../up": "x"},
        {"": "x"},
        {".": "x"},
        {"folder/": "x"},
        {"a\0b": "x"},
        {"x" * 2000: "x"},
        {"a": "x", "a/b": "y"},
        {"a": "x", "./a": "y"},
        {"a": 3},
        {3: "x"},
        {"a": bytes(context.CONTEXT_BYTES + 1)},
        {str(number): "" for number in range(context.MOST_FILES + 1)},
        ["a"],
    ],
    ids=lambda files: str(files)[:20],
)
def test_files_that_cannot_be_a_context_are_refused(files: Any) -> None:
    with pytest.raises(BadRequest) as raised:
        containers.image(files=files)
    assert raised.value.field == "files"
    assert len(str(raised.value)) < 400


def test_a_context_is_the_same_bytes_in_any_order_and_tells_nothing_of_this_machine() -> None:
    one, other = {"b": b"2", "a/x.sh": b"#!/bin/sh\n"}, {"a/x.sh": b"#!/bin/sh\n", "b": b"2"}
    assert context.packed(one) == context.packed(other)
    with tarfile.open(fileobj=io.BytesIO(context.packed(one))) as tar:
        members = {member.name: member for member in tar.getmembers()}
    assert {(member.mtime, member.uid, member.uname) for member in members.values()} == {(0, 0, "")}
    assert (members["a/x.sh"].mode, members["b"].mode) == (0o755, 0o644)


def test_paths_are_written_one_way() -> None:
    assert context.checked({"./a//b": "text", "c": b"bytes"}) == {"a/b": b"text", "c": b"bytes"}


@pytest.mark.parametrize(
    "text", ["", "  \n", "RUN true", "# only a comment\n", "A\0B", "ARG X=1\nRUN true", 3, "FROM x" * 20000]
)
def test_a_text_that_is_no_dockerfile_is_refused(text: Any) -> None:
    with pytest.raises(BadRequest, match="dockerfile"):
        containers.image(text)


@pytest.mark.parametrize(
    "line",
    [
        "ADD http://192.0.2.1/a /a",
        "add --chown=1 a https://192.0.2.1/a /a/",
        "ADD \\\n  http://192.0.2.1/a \\\n /a",
        'ADD ["http://192.0.2.1/a", "/a"]',
        'ADD "http:"//192.0.2.1/a /a',
        "ADD http:\\/\\/192.0.2.1/a /a",
        'ADD ["http:\\u002f/192.0.2.1/a", "/a"]',
        "ARG X=http://192.0.2.1/a\nADD $X /a",
        "ONBUILD ADD git://192.0.2.1/a /a",
    ],
)
def test_what_the_engine_would_fetch_itself_is_refused(line: str) -> None:
    with pytest.raises(BadRequest, match="ADD"):
        containers.image(f"FROM busybox\n{line}\n")


@pytest.mark.parametrize("line", ["ADD a.tar /a", "ADD a b $HOME/", "RUN echo http://192.0.2.1/ ADD http://x y"])
def test_what_is_there_already_may_be_added(line: str) -> None:
    assert instructions.checked(f"FROM busybox\n{line}").endswith(line)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"dockerfile": "FROM busybox", "name": "debian"},
        {"files": {"a": "b"}, "load": "x"},
        {"pull": "a", "load": "b"},
    ],
)
def test_one_source_is_needed_and_no_more(asked: Mapping[str, Any]) -> None:
    with pytest.raises(BadRequest, match="one source"):
        containers.image(**asked)


@pytest.mark.parametrize("tag", ["Web", "a b", "", "x" * 81, "a/b", "a:b:c", "-a", 3, "a@b"])
def test_a_tag_that_engines_refuse_is_refused_here(tag: Any) -> None:
    with pytest.raises(BadRequest, match="tag"):
        containers.image("FROM busybox", tag=tag)


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), "1", 1e9])
def test_a_time_limit_must_be_a_sane_number(timeout_s: Any) -> None:
    with pytest.raises(BadRequest, match="timeout_s"):
        containers.image("FROM busybox", timeout_s=timeout_s)


@pytest.mark.parametrize(
    "text",
    [
        "alpine",
        "alpine:3.20",
        "alpine@sha256:abc",
        f"Alpine@{DIGEST}",
        f"@{DIGEST}",
        f"a b@{DIGEST}",
        3,
        "-x@" + DIGEST,
    ],
)
def test_only_a_digest_is_pulled(text: Any) -> None:
    with pytest.raises(BadRequest, match="by digest"):
        containers.image(pull=text)


def test_a_digest_may_follow_a_registry_s_name() -> None:
    wanted = pulling.checked(f"127.0.0.1:5000/some/where@{DIGEST}")
    assert (wanted.name, wanted.digest) == ("127.0.0.1:5000/some/where", DIGEST)


def test_a_folder_that_is_no_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="image layout"):
        containers.image(load=tmp_path)


def resolved(text: str) -> list[str]:
    return instructions.resolved(instructions.checked(text), lambda name: f"<{name}>", {"owner": "me"}).splitlines()


def test_what_is_built_on_is_looked_up_and_each_stage_carries_the_owner_s_mark() -> None:
    assert resolved("FROM busybox AS one\nRUN true\nFROM debian:12\nCOPY --from=one /a /b\n") == [
        "FROM <busybox> AS one",
        'LABEL "owner"="me"',
        "RUN true",
        "FROM <debian:12>",
        'LABEL "owner"="me"',
        "COPY --from=one /a /b",
    ]


def test_an_image_that_is_only_copied_from_is_looked_up_too() -> None:
    assert resolved("FROM scratch\nCOPY --chown=1:1 --from=alpine /a /b\nCOPY --from=0 /c /d")[2:] == [
        "COPY --chown=1:1 --from=<alpine> /a /b",
        "COPY --from=0 /c /d",
    ]


def test_a_name_on_the_next_line_is_looked_up_too() -> None:
    assert resolved("from \\\n  # a comment between\n  alpine\n")[0].split() == ["from", "<alpine>"]


@pytest.mark.parametrize("text", ["ARG X=alpine\nFROM $X", "FROM ${X}", "FROM busybox\nCOPY --from=$X /a /b"])
def test_a_variable_cannot_hide_what_would_be_fetched(text: str) -> None:
    with pytest.raises(BadRequest, match="variable"):
        resolved(text)


@pytest.mark.parametrize("text", ["FROM a b c", "FROM busybox\nFROM", "FROM busybox AS"])
def test_a_from_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="FROM"):
        resolved(text)
