"""Empties a node, round by round, from what the API server says in each.

Owns cordoning, asking for moves and evicting. Keeps nothing that another run would need: whoever
starts again goes on. Moves are Migrations, so the controller does them whether we look or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from podferry.api.clock import Clock
from podferry.api.reasons import TERMINAL, Phase
from podferry.cli import follow, node_facts, timeline
from podferry.cli.drain_plan import OF_THE_POD, Fate, Item, Plan, plan
from podferry.controller.runtime.node_view import node_view, requested_by_node
from podferry.kube import errors, paths
from podferry.kube.client import ApiClient
from podferry.wire.names import ANNOTATION_CORDONED_BY, LABEL_REQUESTED_BY

Object = dict[str, Any]
ROUND_SECONDS = 2.0
"""Between two looks; each lists the pods and Migrations of the cluster [s]."""
EVICT_AGAIN_SECONDS = 5.0
"""As kubectl: so long after a budget refused an eviction it is asked for again [s]."""
CORDONER = "podferry-drain"


@dataclass(frozen=True, slots=True)
class Options:
    """What a person asked for; `timeout_seconds` None: as long as it takes."""

    node: str
    at_once: int
    evict_others: bool = False
    wait: bool = True
    timeout_seconds: float | None = None


@dataclass(slots=True)
class Move:
    """A Migration that this run asked for or found, by the pod's uid."""

    namespace: str
    pod: str
    migration: str
    phase: str = "Pending"
    reason: str = ""
    why: str = ""

    @property
    def ended(self) -> bool:
        """Whether it is over; it may be going on after its source pod is gone."""
        return self.phase in TERMINAL


@dataclass(slots=True)
class Result:
    """What came of it so far."""

    plan: Plan = field(default_factory=Plan)
    moves: dict[str, Move] = field(default_factory=dict)
    evicted: dict[str, Item] = field(default_factory=dict)
    timed_out: bool = False

    def left(self) -> tuple[Item, ...]:
        """Pods that are still to go; empty: the node is drained."""
        return self.plan.items


async def read(client: ApiClient, node: str) -> tuple[Plan, list[Object]]:
    """Return the plan of a node as it is now, and all Migrations. Raises ApiError."""
    # In this order: whose move is over in the first list is not in the second any more.
    migrations = (await client.list(paths.migrations(None)))["items"]
    pods = (await client.list(paths.pods(None)))["items"]
    told = await node_facts.read(client)
    requested = requested_by_node(pods)
    nodes = {
        str(raw["metadata"]["name"]): node_view(
            raw, requested=requested, facts=told.of(str(raw["metadata"]["name"]))
        )
        for raw in (await client.list(paths.nodes()))["items"]
    }
    here = [pod for pod in pods if (pod.get("spec") or {}).get("nodeName") == node]
    return plan(here, migrations, nodes), migrations


async def cordon(client: ApiClient, node: str) -> bool:
    """Let no new pod onto the node; whether it was open before. Raises ApiError."""
    raw = await client.get(paths.nodes(node))
    if (raw.get("spec") or {}).get("unschedulable"):
        return False
    body = {
        "metadata": {"annotations": {ANNOTATION_CORDONED_BY: CORDONER}},
        "spec": {"unschedulable": True},
    }
    await client.merge_patch(paths.nodes(node), body)
    return True


async def uncordon(client: ApiClient, node: str) -> None:
    """Let pods onto the node again. Raises ApiError."""
    body = {
        "metadata": {"annotations": {ANNOTATION_CORDONED_BY: None}},
        "spec": {"unschedulable": None},
    }
    await client.merge_patch(paths.nodes(node), body)


class Drain:
    """One run. `tell` is given each line for a person."""

    def __init__(
        self, client: ApiClient, options: Options, *, clock: Clock, tell: Callable[[str], None]
    ) -> None:
        self._client, self._options, self._clock, self._tell = client, options, clock, tell
        self._refused_at: dict[str, float] = {}
        self.result = Result()

    async def run(self) -> Result:
        """Work until nothing more can go, the timeout, or (without wait) all was asked for.

        Raises:
            ApiError: refused, or the server was away for longer than follow.AWAY_SECONDS.
        """
        began = heard = self._clock.monotonic()
        while True:
            try:
                busy = await self._round()
                heard = self._clock.monotonic()
            except (errors.ConnectionFailed, errors.Unavailable, errors.ServerFailed):
                if self._clock.monotonic() - heard > follow.AWAY_SECONDS:
                    raise
                busy = True
            if not busy or not self._options.wait:
                return self.result
            limit = self._options.timeout_seconds
            if limit is not None and self._clock.monotonic() - began >= limit:
                self.result.timed_out = True
                return self.result
            await asyncio.sleep(ROUND_SECONDS)

    async def _round(self) -> bool:
        """One look and what follows from it; whether another one is worth while."""
        found, migrations = await read(self._client, self._options.node)
        self.result.plan = found
        self._note(found, migrations)
        waiting = [item for item in found.of(Fate.MOVE) if self._may_ask(item)]
        going = sum(not move.ended for move in self.result.moves.values())
        room = self._options.at_once - going
        asked = waiting if not self._options.wait else waiting[: max(0, room)]
        for item in asked:
            await self._ask(item)
        if waiting or going or found.of(Fate.ARRIVING):
            return True
        # Not before: an eviction may hit our own controller, and a workload may be frozen.
        evicting = await self._evict(found) if self._options.evict_others else False
        return evicting or bool(found.of(Fate.LEAVING))

    def _may_ask(self, item: Item) -> bool:
        """One try a run; but whoever was refused because of another move may be asked again."""
        move = self.result.moves.get(item.uid)
        return move is None or (move.ended and move.reason == "AlreadyMigrating")

    def _note(self, found: Plan, migrations: list[Object]) -> None:
        for item in found.of(Fate.MOVING):
            move = self.result.moves.get(item.uid)
            if move is None or move.ended:
                self.result.moves[item.uid] = Move(item.namespace, item.pod, item.migration)
        # A pod that keeps its name is gone from here at the commit, long before it runs there.
        for migration in migrations:
            source = (migration.get("status") or {}).get("source") or {}
            if source.get("node") == self._options.node and not follow.ended(migration):
                metadata = migration["metadata"]
                move = Move(metadata["namespace"], str(source.get("pod")), metadata["name"])
                self.result.moves.setdefault(str(source.get("uid")), move)
        known = {(m["metadata"]["namespace"], m["metadata"]["name"]): m for m in migrations}
        for move in self.result.moves.values():
            now = known.get((move.namespace, move.migration))
            if move.ended:
                continue
            if now is None:
                move.phase, move.why = Phase.FAILED, "its Migration was deleted meanwhile"
                continue
            phase = follow.phase_of(now)
            if phase != move.phase:
                move.phase = phase
                if move.ended and phase != Phase.SUCCEEDED:
                    move.reason, move.why = _reason(now), timeline.why(now)
                tail = f": {move.why}" if move.why else ""
                self._tell(f"{move.namespace}/{move.pod}  {phase}{tail}")

    async def _ask(self, item: Item) -> None:
        body = {
            "apiVersion": paths.GROUP_VERSION,
            "kind": "Migration",
            "metadata": {
                "generateName": f"drain-{item.pod[:40].rstrip('-.')}-",
                "labels": {LABEL_REQUESTED_BY: "drain"},
            },
            "spec": {"workloadRef": {"kind": "Pod", "name": item.pod}},
        }
        made = await self._client.create(paths.migrations(item.namespace), body)
        name = str(made["metadata"]["name"])
        self.result.moves[item.uid] = Move(item.namespace, item.pod, name)
        self._tell(f"{item.namespace}/{item.pod}  asked to move: migration {name}")

    async def _evict(self, found: Plan) -> bool:
        """Evict what can never be moved; whether some of it is still there."""
        some = False
        for item in found.items:
            if not (item.evictable or self._refused_for_good(item)):
                continue
            some = True
            now = self._clock.monotonic()
            if now - self._refused_at.get(item.uid, float("-inf")) < EVICT_AGAIN_SECONDS:
                continue
            await self._evict_one(item, now)
        return some

    def _refused_for_good(self, item: Item) -> bool:
        """Only the agent could see why it cannot be moved, such as io_uring."""
        move = self.result.moves.get(item.uid)
        refused = move is not None and move.phase == Phase.FAILED and move.reason in OF_THE_POD
        return refused and item.owned and item.fate is Fate.MOVE

    async def _evict_one(self, item: Item, now: float) -> None:
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": item.pod, "namespace": item.namespace},
            "deleteOptions": {"preconditions": {"uid": item.uid}},
        }
        where = f"{item.namespace}/{item.pod}"
        try:
            await self._client.create(paths.pods(item.namespace, item.pod, "eviction"), body)
        except (errors.NotFound, errors.Conflict):
            return  # gone already, or another one of that name: the next round sees
        except errors.Unavailable as error:
            if error.status != 429:
                raise
            if item.uid not in self._refused_at:
                self._tell(f"{where}  not evicted yet, asked again: {error.message}")
            self._refused_at[item.uid] = now
            return
        self._refused_at[item.uid] = now
        self.result.evicted[item.uid] = item
        self._tell(f"{where}  evicted: its owner starts it anew elsewhere")


def _reason(migration: Object) -> str:
    conditions = (migration.get("status") or {}).get("conditions") or []
    return next((str(c.get("reason")) for c in conditions if c.get("type") == "Succeeded"), "")
