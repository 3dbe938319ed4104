"""A replica of the controller: Lease, cache of answers, the real core, actions one by one.

Mirrors `controller/runtime` (reconciler, executor, view_builder): status first, by
compare-and-swap, then the actions in order; anything that fails ends the reconcile.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from podferry.agent.errors import Refused
from podferry.api.migration import Migration, MigrationStatus
from podferry.controller.core import actions as act
from podferry.controller.core.advance import advance
from podferry.controller.core.status import TERMINAL_VALUES
from podferry.controller.core.view import NodeView, Step, View
from podferry.wire import names
from podferry.wire.stages import Observed, Order, Role

from . import api as apiserver
from .api import Api, ApiError
from .clock import Work
from .node import Node

LEASE_SECONDS = 8.0
RENEW_SECONDS = 2.0
FRESH_SECONDS = 1.0
CONNECT_SECONDS = 2.0


class Unreachable(Exception):
    """An agent did not answer."""


class NotLeading(Exception):
    """Leadership is gone."""


class Leader:
    """One replica. Its memory is gone when it is killed."""

    def __init__(
        self, name: str, api: Api, nodes: dict[str, Node], settings: dict[str, Any]
    ) -> None:
        self.name, self.api, self.nodes, self.settings = name, api, nodes, settings
        self.answers: dict[Role, tuple[Observed, float]] = {}
        self.tried: dict[Role, float] = {}
        self.renewed = -100.0
        self.clock_offset = 0.0

    @property
    def now(self) -> float:
        """True seconds."""
        return self.api.sim.now

    def leads(self) -> bool:
        """Whether this replica believes that it leads; a zombie always does."""
        zombie = self.settings.get("zombie") == self.name
        return zombie or self.now - self.renewed < LEASE_SECONDS - 1.0

    def run(self) -> Work:
        """Take the Lease, then reconcile until it is lost, for ever."""
        errors = 0
        while True:
            if not self.leads():
                yield from self._elect()
                continue
            seen = self.api.version
            try:
                pause = yield from self.reconcile()
                errors = 0
            except (ApiError, Unreachable, Refused, NotLeading):
                pause = min(5.0, 0.1 * 2 ** min(errors, 6)) * (0.5 + self.api.sim.rng.random())
                errors += 1
                yield pause
                continue
            if pause is None or pause > 0:
                wait = 10.0 if pause is None else pause
                yield from self.api.sim.wait(lambda seen=seen: self.api.version != seen, wait)
            yield 0.001

    def renew(self) -> Work:
        """Keep the Lease."""
        while True:
            yield RENEW_SECONDS
            if self.api.lease[0] == self.name and self.now - self.renewed < LEASE_SECONDS - 1.0:
                try:
                    yield from self.api.call(self.name, self._take)
                except ApiError:
                    continue

    def _elect(self) -> Work:
        yield 0.5 + 0.5 * self.api.sim.rng.random()
        holder, at = self.api.lease
        if holder == self.name or self.now - at > LEASE_SECONDS:
            try:
                yield from self.api.call(self.name, self._take)
            except ApiError:
                return
            self.answers.clear()

    def _take(self) -> None:
        holder, at = self.api.lease
        if holder not in ("", self.name) and self.now - at <= LEASE_SECONDS:
            raise apiserver.Conflict("the Lease is another's")
        self.api.lease = (self.name, self.now)
        self.renewed = self.now

    # -- one reconcile ---------------------------------------------------------------------------
    def reconcile(self) -> Work:
        """Read, decide, write, act. Raises ApiError, Unreachable, Refused, NotLeading."""
        try:
            migration: Migration = yield from self.api.call(self.name, self.api.read)
        except apiserver.NotFound:
            return None
        if migration.status.phase in TERMINAL_VALUES and not migration.finalizers:
            return None
        view = yield from self._view(migration)
        step: Step = advance(view)
        if not self.leads():
            raise NotLeading
        version = migration.resource_version
        if step.status != migration.status:
            written = yield from self.api.call(self.name, self._writer(version, step.status))
            version = written.resource_version
        news = False
        for action in step.actions:
            if not self.leads():
                raise NotLeading
            done = yield from self._do(action, version)
            news = news or bool(done)
        return 0.0 if news else step.requeue_after_seconds

    def _writer(self, version: str, status: MigrationStatus) -> Any:
        return lambda: self.api.write_status(version, status)

    def _view(self, migration: Migration) -> Work:
        import copy

        yield from self._ask_sides(migration)
        read = lambda: (copy.deepcopy(self.api.pods), copy.deepcopy(self.api.owners))  # noqa: E731
        pods, raw_owners = yield from self.api.call(self.name, read)
        owner = migration.status.owner
        raw = raw_owners.get(owner.name) if owner else None
        ages = {
            role: self.now - self.answers[role][1] if role in self.answers else float("inf")
            for role in Role
        }
        last = {role: self.answers[role][0] if role in self.answers else None for role in Role}
        nodes = {
            name: NodeView(
                name, name, True, False, tuple(self.api.taints.get(name, ())), {}, 0, 0,
                {} if node.up and node.lives("agent") else None,
            )
            for name, node in self.nodes.items()
        }  # fmt: skip
        return View(
            migration, self.api.time() + timedelta(seconds=self.clock_offset), pods, nodes,
            raw if raw and owner and raw["metadata"]["uid"] == owner.uid else None,
            source=last[Role.SOURCE], source_age_seconds=ages[Role.SOURCE],
            target=last[Role.TARGET], target_age_seconds=ages[Role.TARGET],
        )  # fmt: skip

    def _ask_sides(self, migration: Migration) -> Work:
        status = migration.status
        if status.phase in TERMINAL_VALUES:
            return
        for role, end in ((Role.SOURCE, status.source), (Role.TARGET, status.target)):
            fresh = role in self.answers and self.now - self.answers[role][1] < FRESH_SECONDS
            if end is None or fresh or self.now - self.tried.get(role, -9.0) < FRESH_SECONDS:
                continue
            self.tried[role] = self.now
            try:
                agent = yield from self._connect(end.node)
            except Unreachable:
                continue
            side = agent.sides.get(role)
            if side is not None:
                self.answers[role] = (agent.observe(side), self.now)

    def _connect(self, name: str) -> Work:
        yield 0.002
        node = self.nodes[name]
        if not node.up or frozenset((self.name, name)) in self.api.cut:
            yield CONNECT_SECONDS
            raise Unreachable(name)
        if not node.lives("agent"):
            raise Unreachable(name)
        return node.run["agent"]

    def _do(self, action: act.Action, version: str) -> Work:
        api = self.api
        if isinstance(action, act.OrderAgent):
            return (yield from self._order(action))
        if isinstance(action, act.DetachSource):
            uid = api.read().uid
            call = lambda: api.detach(action.pod, action.uid, action.labels, uid)  # noqa: E731
        elif isinstance(action, act.ReattachSource):
            call = lambda: api.reattach(action.pod, action.uid, action.labels)  # noqa: E731
        elif isinstance(action, act.CreatePod):
            call = lambda: self._create(action)  # noqa: E731
        elif isinstance(action, act.DeletePod):
            now = action.grace_seconds == 0
            call = lambda: api.delete(action.pod, action.uid, now=now)  # noqa: E731
        elif isinstance(action, act.MarkPodRunning):
            call = lambda: self._mark(action)  # noqa: E731
        elif isinstance(action, act.RemoveFinalizer):
            call = lambda: api.remove_finalizer(version)  # noqa: E731
        else:
            return False
        yield from api.call(self.name, call)
        return not isinstance(action, act.MarkPodRunning | act.RemoveFinalizer)

    def _create(self, action: act.CreatePod) -> None:
        wanted = action.manifest["metadata"]
        there = self.api.pods.get(wanted["name"])
        note = names.ANNOTATION_RESTORE
        if there is not None:
            had = (there["metadata"].get("annotations") or {}).get(note)
            if had == wanted["annotations"][note]:
                return
        manifest = {**action.manifest, "metadata": {**wanted, "labels": dict(wanted["labels"])}}
        manifest["metadata"]["annotations"] = dict(wanted["annotations"])
        self.api.create(manifest, own=True)

    def _mark(self, action: act.MarkPodRunning) -> None:
        pod = self.api.pods.get(action.pod)
        if pod is not None and pod["metadata"]["uid"] == action.uid:
            apiserver.set_condition(pod, names.READINESS_GATE, True)
            self.api.touch()

    def _order(self, action: act.OrderAgent) -> Work:
        if action.after:
            role, stage = action.after
            last = self.answers.get(role)
            if last is None or not last[0].reached(stage):
                return False
        order: Order = action.order
        agent = yield from self._connect(action.node)
        side = agent.submit(order)
        node = self.nodes[action.node]
        yield from self.api.sim.wait(
            lambda: agent.settled(side, order.stage) or node.run.get("agent") is not agent,
            action.wait_seconds, poll=0.005,
        )  # fmt: skip
        cut = frozenset((self.name, action.node)) in self.api.cut
        if node.run.get("agent") is not agent or not node.lives("agent") or cut:
            raise Unreachable(action.node)
        observed = agent.observe(side)
        old = self.answers.get(order.role)
        self.answers[order.role] = (observed, self.now)
        return old is None or (old[0].stage, old[0].progress) != (observed.stage, observed.progress)
