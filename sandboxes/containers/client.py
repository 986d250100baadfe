"""An engine that answers: what it is, what it enforces, and what it holds for this owner."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import docker
import requests
import urllib3

from sandboxes import model
from sandboxes.containers import farewell, oci, sight
from sandboxes.containers.abilities import KernelOffer, answers, kernel_offer, parse_facts
from sandboxes.containers.endpoints import PROBE_S, Endpoint
from sandboxes.containers.guest_group import Asked
from sandboxes.containers.images import book
from sandboxes.errors import BadRequest, LimitIgnored, SandboxGone, StartFailed, Unavailable
from sandboxes.kernel import Cgroup
from sandboxes.lifecycle import LABEL, Owner
from sandboxes.lifecycle.guard import remove_cgroups
from sandboxes.limits import Room

CALL_S = 60
CLOSE_S = 5
NO_ANSWER = (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, ConnectionError)
"""What a client meets when its engine has died; docker.errors.APIError, an engine's refusal, is one of them too."""


class Started(Protocol):
    """An engine that was started for this owner: a process of this machine, or a guest.

    `pid` is the process on which all of it hangs, `folder` the one folder that it has in common with us; None: neither.
    `guest` is the guest that it is in, and answers about its containers; None: it is on this machine.
    `room` is what that guest has for all of them; None: what this machine has.
    `probe_s`: one that takes longer to answer is slow. `promise`: what its user should know about it, if anything.
    """

    origin: str
    probe_s: int

    @property
    def pid(self) -> int | None: ...
    @property
    def folder(self) -> Path | None: ...
    @property
    def guest(self) -> Asked | None: ...
    @property
    def promise(self) -> str: ...
    @property
    def room(self) -> Room | None: ...
    def offer(self) -> KernelOffer: ...
    def hosts(self) -> str | None: ...
    def alive(self) -> bool: ...
    def host_config(self, wanted: Mapping[str, Any]) -> dict[str, Any]: ...
    def close(self) -> None: ...


class Engine:
    """An engine that answers; `api` is the docker SDK's client. One for a process, shared by its containers."""

    def __init__(self, api: docker.APIClient, endpoint: Endpoint, mine: Owner, process: Started | None) -> None:
        self.api, self.endpoint, self.owner, self._process = api, endpoint, mine, process
        self._lock, self._bringing = threading.RLock(), threading.Lock()
        self._facts: model.Engine | None = None
        self._images: dict[str, str] = {}
        self._network = ""
        self._proved = False
        api.timeout = CALL_S
        if process is None:
            mine.leave_command(
                "containers",
                [sys.executable, "-P", farewell.__file__, endpoint.url, self.label, *endpoint.tls_files()],
            )

    @property
    def label(self) -> str:
        """What marks this owner's containers and networks, as the engine's filters take it."""
        return f"{LABEL}={self.owner.id}"

    @property
    def origin(self) -> str:
        """ "reader", or the origin of the engine that was started for this process."""
        return self._process.origin if self._process else "reader"

    @property
    def pid(self) -> int | None:
        """The process on which a private engine hangs; None for the reader's own."""
        return self._process.pid if self._process else None

    @property
    def folder(self) -> Path | None:
        """The one folder that a private engine has in common with us; None for the reader's own."""
        return self._process.folder if self._process else None

    @property
    def guest(self) -> Asked | None:
        """The guest in which its containers are; None: on this machine, or wherever the reader's own engine is."""
        return self._process.guest if self._process else None

    def hosts(self) -> str | None:
        """Where the engine sees a table of hosts for containers without a network; None: it makes one itself."""
        return self._process.hosts() if self._process else None

    def facts(self) -> model.Engine:
        """Name, version and what it enforces, as it says of itself. Raises SandboxGone when it has died."""
        with self._lock:
            if self._facts is None:
                try:
                    said = parse_facts(*answers(self.api), self.origin, self._offer())
                    self._facts = dataclasses.replace(said, promise=self._process.promise) if self._process else said
                except NO_ANSWER as error:
                    raise self.gone(error) from error
            return self._facts

    def _offer(self) -> KernelOffer:
        return self._process.offer() if self._process else kernel_offer()

    def alive(self) -> bool:
        """It answers, now, and can start containers. Raises Unavailable when it takes too long: that is no death."""
        probe_s = self._process.probe_s if self._process else PROBE_S
        try:
            return (self._process is None or self._process.alive()) and bool(
                self.api.get(f"{self.api.base_url}/_ping", timeout=probe_s).ok
            )
        except requests.exceptions.Timeout as error:
            raise Unavailable(
                "The container engine is slow just now; its containers were left alone.",
                seen=f"no answer within {probe_s} s at {self.endpoint.url}",
                remedy="try it again",
            ) from error
        except NO_ANSWER:
            return False

    def enforce(self, limits: model.Limits) -> None:
        """Raises LimitIgnored when a limit is asked for that this engine would accept and not enforce.

        Raises BadRequest when the guest that the engine is in has less than that.
        """
        self._check_room(limits)
        asked = {"memory": limits.memory_bytes, "cpu": limits.cpus, "pids": limits.pids, "io": limits.io or None}
        ignored = sorted({name for name, value in asked.items() if value is not None} - self.facts().enforces)
        if ignored:
            facts = self.facts()
            none = ", ".join("cpus=None" if name == "cpu" else f"{name}=None" for name in ignored)
            raise LimitIgnored(
                f"{facts.name} would ignore the limit on {', '.join(ignored)} here.",
                seen=f"{facts.name} {facts.version}, {'rootless, ' if facts.rootless else ''}cgroups "
                f"{facts.cgroup_version}, cgroup driver {facts.cgroup_driver}",
                remedy="the book's private engine honours it (run the book as root, BOUNDARIES_ENGINE=private), and so "
                f"does an engine that runs as root; or ask for no such limit: {none}",
            )

    def _check_room(self, limits: model.Limits) -> None:
        room = self._process.room if self._process else None
        if room is None:
            return
        for name, value, most in (("memory", limits.memory_bytes, room.memory_bytes), ("cpus", limits.cpus, room.cpus)):
            if value is not None and value > most:
                raise BadRequest(
                    name,
                    "is more than the guest has that the engine is in.",
                    seen=f"{value} asked for, {most} there",
                    remedy="less; or another engine: ./textbook doctor says what each needs",
                )

    def prove(self, asked: model.Limits, cgroup: Callable[[], Cgroup]) -> None:
        """The first container shows whether the kernel was really told its memory limit. Raises LimitIgnored."""
        if self._proved or asked.memory_bytes is None:
            return
        try:
            written = sight.sample(cgroup()).memory.limit_bytes
        except Unavailable:
            return  # an engine on another machine: its files cannot be read from here
        if written is None or written > asked.memory_bytes:
            raise LimitIgnored(
                "The engine took the memory limit and did not set it.",
                seen=f"asked for {asked.memory_bytes} bytes, the kernel has {written}",
                remedy="memory=None, cpus=None, pids=None starts a container without limits",
            )
        self._proved = True

    def ready_image(self, name: str | None) -> str:
        """The name of an image that the engine has: the book's own (imported when missing), or the reader's."""
        wanted = name or book.USUAL
        if wanted in book.NAMES:
            with self._bringing:  # once, however many ask at the same time
                if wanted not in self._images:
                    self._images[wanted] = book.bring(self.api, book.book_image(wanted))
                return self._images[wanted]
        try:
            self.api.inspect_image(wanted)  # type: ignore[no-untyped-call]
        except docker.errors.ImageNotFound as error:
            raise StartFailed(
                f"The engine has no image {wanted}.", seen=str(error.explanation), remedy=f"docker pull {wanted}"
            ) from error
        return wanted

    def inner_network(self) -> str:
        """The id of a network of this owner without a way out, made at the first call; its members see each other."""
        with self._lock:
            self.check_networks()
            if not self._network:
                name = f"boundaries-{self.owner.id}"
                made = self.api.create_network(name, driver="bridge", internal=True, labels=self.owner.label)
                self._network = made["Id"]
            return self._network

    def check_networks(self) -> None:
        """Raises Unavailable when it can make none."""
        if self.guest is not None:
            raise Unavailable(
                "An engine in a guest makes no networks between containers.",
                seen="its kernel has no modules for bridges, and it makes no packet filter rules",
                remedy="network=False; or another engine: ./textbook doctor says what each needs",
            )

    def create(self, config: dict[str, Any], name: str) -> str:
        """A container is made, not started; its id. `config` is the body of "Create a container" of the Engine API.

        An engine that was started for this owner may add what it needs. Raises docker.errors.APIError.
        """
        if self._process:
            config = {**config, "HostConfig": self._process.host_config(config.get("HostConfig", {}))}
        return str(self.api.create_container_from_config(config, name)["Id"])  # type: ignore[no-untyped-call]

    def inspect(self, container_id: str) -> dict[str, Any]:
        """The engine's own record of a container. Raises docker.errors.APIError."""
        return dict(self.api.inspect_container(container_id))

    def update(self, container_id: str, resources: dict[str, Any]) -> None:
        """Change limits of a running container (the SDK's call has no PidsLimit). Raises docker.errors.APIError.

        Podman takes them by its own API alone, since 4.3.
        """
        address, limits = f"v{self.api.api_version}/containers/{container_id}/update", resources
        if self.facts().name == "Podman":
            address, limits = f"v4.0.0/libpod/containers/{container_id}/update", oci.resources(resources)
        answer = self.api.post(f"{self.api.base_url}/{address}", json=limits, timeout=CALL_S)
        if not answer.ok:
            raise docker.errors.APIError(answer.text, response=answer, explanation=_said(answer))

    def gone(self, error: Exception) -> SandboxGone:
        """The error to raise when a call met no engine."""
        return SandboxGone(
            "The container engine does not answer any more, so its containers are gone.",
            seen=f"{type(error).__name__} at {self.endpoint.url}",
            remedy="start a new container: that starts or finds an engine again",
        )

    def close(self) -> None:
        """Nothing of this owner is left in the engine; a private engine is dead, and so is what ran below its cgroup.

        The owner's other cgroups, of containers by hand and of an engine beside this one, stay as they are.
        """
        if self._process:
            self._process.close()
            if self._process.folder:
                remove_cgroups(f"{self.owner.id}/{self._process.folder.name}")
        else:
            self.api.timeout = CLOSE_S  # an engine that hangs does not keep our process from ending; the guard goes on
            with contextlib.suppress(*NO_ANSWER):
                farewell.remove_labelled(self.api, self.label)
                self.owner.forget_command("containers")
        self.api.close()


def _said(answer: requests.Response) -> str:
    """The engine's words for what it refused."""
    with contextlib.suppress(ValueError, AttributeError):
        return str(answer.json().get("message", answer.text))
    return answer.text
