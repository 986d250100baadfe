"""Calls of the Engine API that tell what they do while they do it: one JSON object a line."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Mapping
from typing import IO, Any

import docker
import requests

from sandboxes.errors import RunTimeout


def events(
    api: docker.APIClient,
    path: str,
    body: IO[bytes] | None,
    query: Mapping[str, Any],
    *,
    timeout_s: float,
    headers: Mapping[str, str] | None = None,
    version: str | None = None,
) -> Generator[dict[str, Any], None, None]:
    """What the engine tells of a POST, as it tells it; leaving early hangs up, which makes the engine give up too.

    Raises docker.errors.APIError when the engine refuses, and RunTimeout when it is not done after `timeout_s`, noticed
    at the next thing it says or after as long a silence. `version` is that of the API, when not the usual one.
    """
    until = time.monotonic() + timeout_s
    address = f"{api.base_url}/v{version or api.api_version}{path}"
    sent = {**(headers or {}), **({"Content-Type": "application/x-tar"} if body else {})}
    try:
        with api.post(address, params=query, data=body, headers=sent, stream=True, timeout=timeout_s) as answer:
            if not answer.ok:
                said = answer.json().get("message", answer.text)
                raise docker.errors.APIError(said, response=answer, explanation=said)
            for line in answer.iter_lines():
                if time.monotonic() > until:
                    raise _late(path, timeout_s)
                if line.strip():
                    yield json.loads(line)
    except requests.exceptions.Timeout as error:
        raise _late(path, timeout_s) from error
    except requests.exceptions.ConnectionError as error:
        if "timed out" in str(error):  # how requests reports a silence within a stream
            raise _late(path, timeout_s) from error
        raise


def _late(path: str, timeout_s: float) -> RunTimeout:
    return RunTimeout(
        f"The engine was not done within {timeout_s:g} s and was told to stop.",
        seen=f"POST {path}",
        remedy="give it more time with timeout_s=…",
    )
