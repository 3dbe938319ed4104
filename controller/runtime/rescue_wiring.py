"""The parts of rescues, put together for the leader. Owns wiring; decides nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from podferry.api import serde
from podferry.api.clock import Clock
from podferry.controller.core import exclusions
from podferry.controller.runtime.agent_client import AgentClient
from podferry.controller.runtime.loop import ControllerLoop
from podferry.controller.runtime.memory_gauges import MemoryGauges
from podferry.controller.runtime.memory_watch import MemoryWatch
from podferry.controller.runtime.metrics import Metrics
from podferry.controller.runtime.move_records import MoveRecords
from podferry.controller.runtime.node_view import address_of
from podferry.controller.runtime.rescue_memory import RescueMemory, Sources
from podferry.controller.runtime.rescue_metrics import RescueMetrics
from podferry.controller.runtime.rescuer import Rescuer
from podferry.controller.runtime.view_builder import ViewBuilder
from podferry.kube import paths
from podferry.kube.client import ApiClient
from podferry.kube.events import EventRecorder
from podferry.kube.reflector import Reflector


@dataclass(frozen=True, slots=True)
class Rescue:
    """What runs beside the loop of Migrations."""

    policies: Reflector
    namespaces: Reflector
    moves: MoveRecords
    watch: MemoryWatch
    rescuer: Rescuer
    loop: ControllerLoop

    async def run(self) -> None:
        """Watch and rescue until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.moves.run())
            for reflector in (self.policies, self.namespaces):
                group.create_task(reflector.run())
            await asyncio.gather(self.policies.synced.wait(), self.namespaces.synced.wait())
            await self.loop.synced()
            group.create_task(self.watch.run())
            group.create_task(self.rescuer.run())


def rescue(
    client: ApiClient,
    agents: AgentClient,
    loop: ControllerLoop,
    builder: ViewBuilder,
    events: EventRecorder,
    moves: MoveRecords,
    *,
    clock: Clock,
    rng: random.Random,
    metrics: Metrics,
    identity: str,
    is_leader: Callable[[], bool],
) -> Rescue:
    """Return the parts, not running yet; Migrations of rescues are asked about from now on."""
    policies = Reflector(client, paths.rescue_policies(), clock=clock, rng=rng)
    namespaces = Reflector(client, paths.namespaces(None), clock=clock, rng=rng)
    counters = RescueMetrics(metrics.registry)
    stores = loop.stores
    memory = RescueMemory(
        Sources(
            nodes=stores.nodes,
            pods=stores.pods,
            migrations=stores.migrations,
            policies=policies.store,
            namespaces=namespaces.store,
            views=builder.nodes,
            parse=serde.parse_migration,
            reluctant=exclusions.reluctance,
            count=lambda outcome: counters.reports.labels(outcome).inc(),
            moves=moves.kept,
        ),
        clock,
    )
    metrics.registry.register(MemoryGauges(memory.watched, clock))
    watch = MemoryWatch(
        agents,
        lambda: [(str(node["metadata"]["name"]), address_of(node)) for node in stores.nodes.list()],
        memory.asked,
        on_report=memory.on_report,
        on_silence=memory.on_silence,
        clock=clock,
        rng=rng,
    )
    rescuer = Rescuer(
        client,
        memory,
        events,
        clock=clock,
        draw=rng.random,
        metrics=counters,
        identity=identity,
        is_leader=is_leader,
        is_synced=lambda: policies.synced.is_set() and namespaces.synced.is_set(),
    )

    builder.ask_need(rescuer.needed)
    builder.remember(moves.kept)
    counters.watch_model(memory.model_moves)
    return Rescue(policies, namespaces, moves, watch, rescuer, loop)
