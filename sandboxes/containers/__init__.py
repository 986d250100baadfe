"""Containers: the only place that knows the docker SDK."""

from sandboxes.containers.container import ContainerSandbox, container
from sandboxes.containers.engine import Engine
from sandboxes.containers.finding import engine, find_engine
from sandboxes.containers.job import Job

__all__ = ["ContainerSandbox", "Engine", "Job", "container", "engine", "find_engine"]
