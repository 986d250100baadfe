"""Containers: the only place that knows the docker SDK."""

from sandboxes.containers.client import Engine
from sandboxes.containers.finding import engine, find_engine, remove_images
from sandboxes.containers.images.image import EngineImage, image
from sandboxes.containers.images.registry import Registry, registry
from sandboxes.containers.job import Job
from sandboxes.containers.sandbox import ContainerSandbox, container

__all__ = [
    "ContainerSandbox",
    "Engine",
    "EngineImage",
    "Job",
    "Registry",
    "container",
    "engine",
    "find_engine",
    "image",
    "registry",
    "remove_images",
]
