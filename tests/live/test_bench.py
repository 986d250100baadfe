"""Rows of the bench: what is compared is the same thing, and rows are data."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from book.bench import ROWS, as_data
from book.bench import containers as rows
from sandboxes import container, containers
from tests.live.compare import ignoring


@pytest.mark.usefixtures("engine_ready")
def test_the_command_line_asks_the_engine_for_what_our_container_asks() -> None:
    docker = shutil.which("docker")
    assert docker is not None
    engine = containers.engine()
    words = [docker, "-H", engine.endpoint.url, "create", *rows.CLI_FLAGS, engine.ready_image(None), "true"]
    by_hand = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
    try:
        with container() as ours:
            assert ignoring(engine.inspect(ours.id)["HostConfig"]) == ignoring(engine.inspect(by_hand)["HostConfig"])
    finally:
        subprocess.run([docker, "-H", engine.endpoint.url, "rm", by_hand], check=True, capture_output=True)


@pytest.mark.usefixtures("engine_ready")
def test_a_row_is_data_with_host_facts() -> None:
    row = as_data(ROWS[0], ROWS[0].measure(3, lambda text: None))
    assert json.loads(json.dumps(row)) == json.loads(json.dumps(row))
    assert set(row) == {"id", "target", "reached", "numerator", "denominator", "ratio", "low", "high", "n", "host"}
    assert row["low"] <= row["ratio"] <= row["high"]
    assert row["n"] == len(row["numerator"]["values"]) == 3
    assert {"kernel", "cpus", "engine", "accelerator", "date", "busy_before"} <= set(row["host"])
    assert "hostname" not in row["host"]
