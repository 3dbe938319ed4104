"""What the leader knows between two looks: reports of agents, samples, policies, Migrations.

Owns the taking in of reports and the making of `Known`. Everything is read from stores or told by
agents again after a start. For one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import is_
from typing import Any

import structlog

from podferry.api import serde
from podferry.api.clock import Clock
from podferry.api.errors import PodferryError
from podferry.api.migration import Migration
from podferry.api.rescue_policy import RescuePolicy
from podferry.controller.core.requests import quantity_bytes
from podferry.controller.core.rescue import asking, reports
from podferry.controller.core.rescue.cluster import Known
from podferry.controller.core.rescue.expected import Costs
from podferry.controller.core.rescue.history import NodeHistory
from podferry.controller.core.rescue.moves import Asked
from podferry.controller.core.rescue.reports import Believed, Doubt, Refused
from podferry.controller.core.view import NodeView
from podferry.controller.runtime.parsed import Parsed
from podferry.controller.runtime.view_builder import BY_NODE
from podferry.kube.store import Store
from podferry.policies.vocabulary import Policy
from podferry.strategies.container.finding import RawPod
from podferry.strategies.container.moves import MoveRecord, merged, records
from podferry.wire import memory

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the rest comes from."""

    nodes: Store
    pods: Store
    migrations: Store
    policies: Store
    namespaces: Store
    views: Callable[[], dict[str, NodeView]]
    parse: Callable[[dict[str, Any]], Migration]
    reluctant: Callable[[RawPod], str]
    count: Callable[[str], None]
    """Told the outcome of each report."""
    moves: Callable[[], tuple[MoveRecord, ...]] = tuple
    """Moves whose Migrations may be gone."""


class RescueMemory:
    """See the module."""

    def __init__(self, sources: Sources, clock: Clock) -> None:
        self._from, self._clock = sources, clock
        self._believed: dict[str, Believed] = {}
        self._histories: dict[str, NodeHistory] = {}
        self._silence: dict[str, str] = {}
        self._urgent_at: dict[str, float] = {}
        self._question: memory.Asked | None = None
        self._news = asyncio.Event()
        self._costs: Costs | None = None
        self._parsed = Parsed(sources.migrations, sources.parse)
        self._pods: dict[str, tuple[RawPod, ...]] = {}

    def asked(self) -> memory.Asked | None:
        """What to ask of every agent; None: nothing, there is no policy."""
        return self._question

    def watch_for(self, rules: Iterable[Policy]) -> None:
        """Ask the agents for what these policies need."""
        known = list(rules)
        self._question = asking.asked(known) if known else None
        if self._question is None:
            for kept in (self._believed, self._histories, self._silence, self._urgent_at):
                kept.clear()

    def on_report(self, node: str, report: memory.Report, received: float) -> None:
        """Take a report in, or say why not."""
        before = self._believed.get(node)
        judged = reports.judge(node, report, received, before=before, capacity=self._capacity(node))
        if isinstance(judged, Refused):
            self.on_silence(node, judged.message, judged.doubt)
            return
        self._from.count("accepted")
        self._silence.pop(node, None)
        if judged is before:
            return
        self._believed[node] = judged
        keep = self._question.history if self._question else 0.0
        self._histories.setdefault(node, NodeHistory()).add(
            received,
            keep,
            (report.age, report.capacity - report.available),
            report.samples,
            ((pod.uid, (report.age, pod.working_set), pod.samples) for pod in report.pods),
        )
        if report.urgent and (before is None or not before.report.urgent):
            self._urgent_at[node] = received
            self._news.set()

    def on_silence(self, node: str, why: str, doubt: str = Doubt.SILENT) -> None:
        """Note that an agent told nothing that counts."""
        self._from.count(str(doubt))
        if self._silence.get(node) != why:
            _log.warning("memory of a node is not known", node=node, doubt=str(doubt), why=why)
        self._silence[node] = why

    async def news(self, seconds: float) -> None:
        """Wait until a node becomes urgent, but no longer than `seconds`."""
        try:
            await asyncio.wait_for(self._news.wait(), seconds)
        except TimeoutError:
            return
        finally:
            self._news.clear()

    def urgent_since(self, moment: float) -> bool:
        """Whether a node became urgent after that moment."""
        return any(at > moment for at in self._urgent_at.values())

    def report_age(self, node: str, now: float) -> float:
        """Since the newest sample of a node was taken [s]."""
        believed = self._believed.get(node)
        return now - believed.at if believed else 0.0

    def watched(self) -> dict[str, tuple[Believed | None, NodeHistory | None]]:
        """By node: its last report that counts and its samples; empty while nothing is asked."""
        if self._question is None:
            return {}
        names = [str(node["metadata"]["name"]) for node in self._from.nodes.list()]
        return {name: (self._believed.get(name), self._histories.get(name)) for name in names}

    def policies(self) -> tuple[RescuePolicy, ...]:
        """The RescuePolicies that can be read."""
        found = []
        for raw in self._from.policies.list():
            try:
                found.append(serde.parse_rescue_policy(raw))
            except PodferryError as error:
                _log.error("RescuePolicy not read", name=raw["metadata"]["name"], why=error.message)
        return tuple(found)

    def model(self) -> str:
        """Where expected times come from, in words."""
        return self._costs.source() if self._costs else ""

    def model_moves(self) -> tuple[int, float | None]:
        """Measured moves behind the model, and the age of the newest at the last look [s]."""
        return self._costs.moves() if self._costs else (0, None)

    def known(self, asked: tuple[Asked, ...]) -> Known:
        """All that a look may use, at this moment."""
        now, wall = self._clock.monotonic(), self._clock.now()
        views = self._from.views()
        for node in self._believed.keys() - views.keys():
            for kept in (self._believed, self._histories, self._silence, self._urgent_at):
                kept.pop(node, None)
        doubts = {
            name: doubt
            for name in views
            if (
                doubt := reports.doubt_now(
                    name, self._believed.get(name), now, self._silence.get(name, "")
                )
            )
        }
        migrations = self._parsed.all()
        costs = self._costs = Costs(merged(self._from.moves(), records(migrations)), wall)
        return Known(
            now=now,
            wall=wall,
            nodes=views,
            believed=dict(self._believed),
            doubts=doubts,
            histories=self._histories,
            pods=self._pods_of(views),
            namespaces={str(raw["metadata"]["name"]): raw for raw in self._from.namespaces.list()},
            migrations=migrations,
            asked=asked,
            cost=costs.of,
            reluctant=self._from.reluctant,
        )

    def _pods_of(self, nodes: Iterable[str]) -> dict[str, tuple[RawPod, ...]]:
        """The opted-in pods of each node; the same tuple as before where nothing changed."""
        found = {}
        for node in nodes:
            pods, old = tuple(self._from.pods.by_index(BY_NODE, node)), self._pods.get(node)
            found[node] = old if old is not None and _same(old, pods) else pods
        self._pods = found
        return found

    def _capacity(self, node: str) -> float | None:
        raw: dict[str, Any] | None = self._from.nodes.get(node)
        told = (((raw or {}).get("status") or {}).get("capacity") or {}).get("memory")
        return float(quantity_bytes(told)) if told else None


def _same(one: tuple[RawPod, ...], other: tuple[RawPod, ...]) -> bool:
    return len(one) == len(other) and all(map(is_, one, other))
