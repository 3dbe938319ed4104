"""The leader's loop of rescues: takes reports in, looks with each policy, and acts on the answer.

Owns the state between two looks (reports, samples, what was asked for but is not seen yet) and the
writes: Migrations, evictions that a policy allows, cancellations, statuses, events. It decides
nothing: `controller/core/rescue` does. Everything it holds is told again by the agents after a
start, so it may end at any instant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import structlog

from podferry.api import serde
from podferry.api.clock import Clock
from podferry.api.errors import PodferryError
from podferry.api.migration import Migration
from podferry.api.reasons import Reason
from podferry.api.rescue_policy import Action, RescuePolicy, RescuePolicyStatus
from podferry.controller.core.rescue import explain, look, needed, states, valid, wanted
from podferry.controller.core.rescue.cluster import Book, Known, snapshot
from podferry.controller.core.rescue.moves import Asked, Ledger, ledger
from podferry.controller.core.status import TERMINAL_VALUES
from podferry.controller.core.view import Need
from podferry.controller.runtime.rescue_memory import RescueMemory
from podferry.controller.runtime.rescue_metrics import RescueMetrics
from podferry.kube import errors, paths
from podferry.kube.client import ApiClient
from podferry.kube.events import EventRecorder
from podferry.policies.vocabulary import Command, Draw, Policy
from podferry.wire import names

TICK_SECONDS = 1.0
ASKED_SECONDS = 30.0
"""So long a Migration that was created counts although the store does not show it [s]."""
UNNEEDED_LOOKS = 2
"""In a row, before a move that was asked for is taken back."""

_log = structlog.get_logger(__name__)
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ready:
    """A policy that can act."""

    policy: RescuePolicy
    rules: Policy


class Rescuer:
    """See the module.

    Args:
        client: connection to the API server.
        memory: what agents told and the store shows.
        events: for people.
        clock: ours.
        draw: randomness for the rules.
        metrics: what is counted.
        identity: this replica, for `insight`.
        is_leader: asked before every write.
    """

    def __init__(
        self,
        client: ApiClient,
        memory: RescueMemory,
        events: EventRecorder,
        *,
        clock: Clock,
        draw: Draw,
        metrics: RescueMetrics,
        identity: str,
        is_leader: Callable[[], bool],
    ) -> None:
        self._client, self._memory, self._events = client, memory, events
        self._clock, self._draw, self._metrics = clock, draw, metrics
        self._identity, self._is_leader = identity, is_leader
        self._book = Book()
        self._asked: list[Asked] = []
        self._looked: dict[str, float] = {}
        self._unneeded: dict[str, int] = {}
        self._insight: dict[str, Object] = {}
        self._statuses: dict[str, tuple[str, RescuePolicyStatus]] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.once()
            except errors.ApiError as error:
                _log.warning("rescue: looked in vain, again in a moment", why=error.message)
            await self._memory.news(TICK_SECONDS)

    async def once(self) -> None:
        """One round over all policies that are due."""
        policies = tuple(self._with_own_status(one) for one in self._memory.policies())
        self._insight = {
            name: told
            for name, told in self._insight.items()
            if any(one.name == name for one in policies)
        }
        ready = await self._valid(policies)
        self._memory.watch_for([one.rules for one in ready])
        if not ready or not self._is_leader():
            return
        now = self._clock.monotonic()
        due = [one for one in ready if self._is_due(one.policy, now)]
        if not due:
            return
        await self._memory.freshen()
        with self._metrics.look_seconds.time():
            known = self._memory.known(tuple(self._asked))
            scope_of = look.scopes(tuple(one.policy for one in ready), known.nodes)
            for one in due:
                self._looked[one.policy.name] = now
                await self._look(one, scope_of[one.policy.name], known)
        self._forget(known)

    def needed(self, migration: Migration) -> Need | None:
        """Say whether a rescue's move is still needed now; None: no rescue asked for it."""
        name = migration.rescue_policy
        if not name:
            return None
        ready = self._ready_by_label(name)
        source = migration.status.source
        if ready is None or source is None:
            return Need(False, f"RescuePolicy {name} is gone, invalid or in DryRun now")
        known = self._memory.known(tuple(self._asked))
        without = self._ledger(known, without=migration.uid)
        return needed.still_needed(source.node, ready.rules, known, without, self._book)

    def insight(self, *, pods: bool = True) -> Object:
        """Return what is known and would be done now, see `core/rescue/README.md`."""
        known = self._memory.known(tuple(self._asked))
        seen = snapshot(known, self._ledger(known), self._book)
        told = explain.cluster(known, seen, leader=self._identity, pods=pods)
        return {**told, "policies": list(self._insight.values())}

    def _with_own_status(self, policy: RescuePolicy) -> RescuePolicy:
        """What was written last, which the store may not show yet; nobody else writes it."""
        uid, status = self._statuses.get(policy.name, ("", policy.status))
        return replace(policy, status=status) if uid == policy.uid else policy

    def _is_due(self, policy: RescuePolicy, now: float) -> bool:
        last = self._looked.get(policy.name, float("-inf"))
        return now - last >= policy.spec.period_seconds or self._memory.urgent_since(last)

    async def _valid(self, policies: tuple[RescuePolicy, ...]) -> list[Ready]:
        """The policies whose plug-ins are known; the others are told why they do nothing."""
        found = []
        for policy in policies:
            try:
                found.append(Ready(policy, valid.policy_of(policy.spec)))
            except PodferryError as error:
                self._insight[policy.name] = explain.of_invalid(policy, error.message)
                status = states.invalid(policy, error.reason, error.message, self._clock.now())
                if states.is_news(policy.status, status, self._clock.now()):
                    await self._write_status(policy, status)
        return found

    async def _look(self, one: Ready, scope: look.Scope, known: Known) -> None:
        policy, now = one.policy, self._clock.now()
        moves = self._ledger(known)
        seen = look.look(policy, one.rules, scope, known, moves, self._book, self._draw)
        done = await self._act(policy, one.rules, seen, known)
        model = self._memory.model()
        self._insight[policy.name] = explain.of_policy(policy, seen, done, model=model)
        status = states.after_look(policy, scope, known.doubts, seen, done, model=model, now=now)
        self._metrics.looked(policy, status, seen.outcomes)
        if states.is_news(policy.status, status, now):
            await self._tell(policy, seen)
            await self._write_status(policy, status)

    async def _act(
        self, policy: RescuePolicy, rules: Policy, seen: look.Look, known: Known
    ) -> states.Done:
        raw = {
            f"{pod['metadata'].get('namespace')}/{pod['metadata']['name']}": pod
            for pods in known.pods.values()
            for pod in pods
        }
        asked: dict[str, str] = {}
        for command in seen.moves:
            if not self._is_leader():
                break
            name = await self._ask(policy, command, raw[command.pod], known)
            if name:
                asked[command.pod] = name
        for key in seen.restarts:
            if self._is_leader():
                await self._evict(raw[key], policy)
        return states.Done(asked, await self._take_back(policy, rules, known))

    async def _ask(self, policy: RescuePolicy, command: Command, pod: Object, known: Known) -> str:
        """Create the Migration; returns `namespace/name`, empty if the API server refused."""
        body = wanted.migration(policy, command, pod, known.migrations)
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        try:
            await self._client.create(paths.migrations(namespace), body)
        except errors.AlreadyExists:
            _log.info("rescue: asked for already", migration=f"{namespace}/{name}")
        except errors.ApiError as error:
            self._metrics.refused.labels(error.reason).inc()
            _log.warning("rescue: the API server took no Migration", pod=command.pod,
                         why=error.message)  # fmt: skip
            return ""
        at = self._clock.monotonic()
        uid = str(pod["metadata"]["uid"])
        self._asked.append(Asked(namespace, name, uid, command, at))
        self._metrics.report_to_migration.observe(self._memory.report_age(command.source, at))
        _log.info("rescue: asked for a move", migration=f"{namespace}/{name}",
                  policy=policy.name, why=command.why)  # fmt: skip
        return f"{namespace}/{name}"

    async def _evict(self, pod: Object, policy: RescuePolicy) -> None:
        """Restart a pod elsewhere, which loses its memory: the policy allows it."""
        metadata = pod["metadata"]
        path = paths.pods(str(metadata["namespace"]), str(metadata["name"]), "eviction")
        note = f"RescuePolicy {policy.name} allows a cold restart where no move helps any more"
        try:
            await self._client.create(path, wanted.eviction(pod))
        except errors.ApiError as error:
            note = f"{note}; the API server did not allow it: {error.message}"
            self._metrics.refused.labels(error.reason).inc()
        await self._events.event(
            pod, type_="Warning", reason="ColdRestarted", note=note, action="Evict"
        )

    async def _take_back(self, policy: RescuePolicy, rules: Policy, known: Known) -> dict[str, str]:
        """Cancel this policy's moves that are not needed any more and froze nothing yet."""
        gone: dict[str, str] = {}
        active = set()
        for one in known.migrations:
            status = one.status
            if one.rescue_policy != wanted.label(policy.name) or one.spec.cancel:
                continue
            if status.phase in TERMINAL_VALUES or status.freeze_epoch > 0 or not status.source:
                continue
            active.add(one.uid)
            node = status.source.node
            without = self._ledger(known, without=one.uid)
            need = needed.still_needed(node, rules, known, without, self._book)
            looks = self._unneeded.get(one.uid, 0) + 1 if need.needed is False else 0
            self._unneeded[one.uid] = looks
            if looks >= UNNEEDED_LOOKS and self._is_leader():
                await self._cancel(one, need.why)
                gone[node] = need.why
        for uid in self._unneeded.keys() - active:
            del self._unneeded[uid]
        return gone

    async def _cancel(self, migration: Migration, why: str) -> None:
        path = paths.migrations(migration.namespace, migration.name)
        await self._client.merge_patch(path, {"spec": {"cancel": True}})
        regarding = {
            "apiVersion": f"{names.GROUP}/{names.VERSION}", "kind": "Migration",
            "namespace": migration.namespace, "name": migration.name, "uid": migration.uid,
        }  # fmt: skip
        await self._events.event(
            regarding, type_="Normal", reason=Reason.PRESSURE_GONE.value, note=why, action="Cancel"
        )

    async def _tell(self, policy: RescuePolicy, seen: look.Look) -> None:
        """Events about the policy; the same one is written once in a while only."""
        regarding = {
            "apiVersion": f"{names.GROUP}/{names.VERSION}", "kind": "RescuePolicy",
            "name": policy.name, "uid": policy.uid,
        }  # fmt: skip
        for one in seen.outcomes:
            grave = one.action in (Action.NO_ROOM, Action.NO_VICTIM) or bool(one.too_late)
            who = f"{one.pod} -> {one.target or '?'}: " if one.pod else ""
            why = f"{one.too_late}; {one.why}" if one.too_late else one.why
            await self._events.event(
                regarding,
                type_="Warning" if grave else "Normal",
                reason=one.action.value,
                note=f"node {one.node}: {who}{why}",
                action="Rescue",
            )

    async def _write_status(self, policy: RescuePolicy, status: RescuePolicyStatus) -> None:
        body = {"status": serde.to_dict(status)}
        self._statuses[policy.name] = (policy.uid, status)
        try:
            await self._client.merge_patch(paths.rescue_policies(policy.name, "status"), body)
        except errors.ApiError as error:
            _log.warning("rescue: status not written", policy=policy.name, why=error.message)

    def _ledger(self, known: Known, without: str = "") -> Ledger:
        return ledger(
            known.migrations, known.asked, now=known.now, wall=known.wall, without=without
        )

    def _ready_by_label(self, name: str) -> Ready | None:
        for policy in self._memory.policies():
            if wanted.label(policy.name) == name and policy.spec.mode.value == "Act":
                try:
                    return Ready(policy, valid.policy_of(policy.spec))
                except PodferryError:
                    return None
        return None

    def _forget(self, known: Known) -> None:
        names_there = {(one.namespace, one.name) for one in known.migrations}
        self._asked = [
            one
            for one in self._asked
            if (one.namespace, one.name) not in names_there and known.now - one.at < ASKED_SECONDS
        ]
        self._book.keep(str(pod["metadata"]["uid"]) for pods in known.pods.values() for pod in pods)
