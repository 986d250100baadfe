"""Containers: the only place that knows the docker SDK."""

from sandboxes.containers.client import Engine
from sandboxes.containers.finding import engine, find_engine, find_tiers, remove_images
from sandboxes.containers.guest import prepare as prepare_guest_engine
from sandboxes.containers.images.image import EngineImage, image
from sandboxes.containers.images.registry import Registry, registry
from sandboxes.containers.job import Job
from sandboxes.containers.networks import Network, network
from sandboxes.containers.pools import Pool, pool, pool_costs
from sandboxes.containers.sandbox import ContainerSandbox, container
from sandboxes.containers.service import Service, service
from sandboxes.containers.terminal import Terminal

__all__ = [
    "ContainerSandbox",
    "Engine",
    "EngineImage",
    "Job",
    "Network",
    "Pool",
    "Registry",
    "Service",
    "Terminal",
    "container",
    "engine",
    "find_engine",
    "find_tiers",
    "image",
    "network",
    "pool",
    "pool_costs",
    "prepare_guest_engine",
    "registry",
    "remove_images",
    "service",
]
