"""Engines run `build_shard` over many shards. They are interchangeable: no byte of a shard depends on the engine."""

from layermix_gen.building.engines.base import Engine, Watch
from layermix_gen.building.engines.parallel import in_processes
from layermix_gen.building.engines.ray_cluster import ENGINES, Cluster, engine_named
from layermix_gen.building.engines.serial import in_this_process

__all__ = ["ENGINES", "Cluster", "Engine", "Watch", "engine_named", "in_processes", "in_this_process"]
