"""Containers: the only place that knows the docker SDK."""

from sandboxes.containers.client import Engine
from sandboxes.containers.finding import engine, find_engine, remove_images
from sandboxes.containers.job import Job
from sandboxes.containers.sandbox import ContainerSandbox, container
from sandboxes.containers.service import Service, service

__all__ = [
    "ContainerSandbox",
    "Engine",
    "Job",
    "Service",
    "container",
    "engine",
    "find_engine",
    "remove_images",
    "service",
]
