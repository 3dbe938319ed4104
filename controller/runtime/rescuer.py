"""The leader's loop of rescues: takes reports in, looks with each policy, and acts on the answer.

Owns the state between two looks (reports, samples, what was asked for but is not seen yet) and the
writes: Migrations, evictions that a policy allows, cancellations, statuses, events. It decides
nothing: `controller/core/rescue` does. Everything it holds is told again by the agents after a
start, so it may end at any instant.
"""

from __future__ import annotations

import asyncio
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
from podferry.controller.runtime.rescue_warming import warm
from podferry.kube import errors, paths
from podferry.kube.client import ApiClient
from podferry.kube.events import EventRecorder
from podferry.policies.vocabulary import Command, Draw, Policy
from podferry.wire import names

TICK_SECONDS = 1.0
ASKED_AT_ONCE = 16
"""Migrations created side by side: after an event that strikes many nodes the last must not wait
for all others."""
ASKED_SECONDS = 30.0
"""So long a Migration that was created counts although the store does not show it [s]."""
NEED_SECONDS = 0.5
"""Whether moves are still needed rests on one reading of the cluster for so long: each of them asks
ten times a second, and a reading of 30,000 pods costs tens of milliseconds [s]."""
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
        is_synced: whether policies and namespaces were read; nothing is judged before.
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
        is_synced: Callable[[], bool] = lambda: True,
    ) -> None:
        self._client, self._memory, self._events = client, memory, events
        self._clock, self._draw, self._metrics = clock, draw, metrics
        self._identity, self._is_leader, self._is_synced = identity, is_leader, is_synced
        self._book = Book()
        self._asked: list[Asked] = []
        self._unsure: set[tuple[str, str]] = set()
        self._read: Known | None = None
        self._looked: dict[str, float] = {}
        self._unneeded: dict[str, dict[str, int]] = {}
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
        self._forget_policies({one.name for one in policies})
        ready = await self._valid(policies)
        self._memory.watch_for([one.rules for one in ready])
        if not ready or not self._is_leader():
            return
        now = self._clock.monotonic()
        due = [one for one in ready if self._is_due(one.policy, now)]
        if not due:
            return
        await self._settle()
        with self._metrics.look_seconds.time():
            for one in due:
                self._looked[one.policy.name] = now
                await self._look_safely(one, ready)
        self._forget(self._memory.known(tuple(self._asked)))

    def needed(self, migration: Migration) -> Need | None:
        """Say whether a rescue's move is still needed now; None: no rescue asked for it."""
        name, source = migration.rescue_policy, migration.status.source
        if not name or source is None or migration.status.phase in TERMINAL_VALUES:
            return None
        if not self._is_synced():
            return Need(None, f"this replica has not read RescuePolicy {name} yet")
        ready = self._ready_by_label(name)
        if ready is None:
            return Need(False, f"RescuePolicy {name} is gone, invalid or in DryRun now")
        if self._read is None or self._clock.monotonic() - self._read.now > NEED_SECONDS:
            self._read = self._memory.known(tuple(self._asked))
        # The store may not show yet what was asked for; it must not count as relief of itself.
        itself = (migration.namespace, migration.name)
        others = tuple(one for one in self._read.asked if (one.namespace, one.name) != itself)
        known = replace(self._read, asked=others)
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

    async def _look_safely(self, one: Ready, ready: list[Ready]) -> None:
        """The border of a policy: what breaks its look must not keep the others from theirs."""
        # Read for each: what the one before asked for is booked, and asking took time.
        known = self._memory.known(tuple(self._asked))
        scopes = look.scopes(tuple(each.policy for each in ready), known.nodes)
        name = one.policy.name
        try:
            await self._look(one, scopes[name], known)
        except errors.ApiError as error:
            _log.warning("rescue: looked in vain, again in a moment", policy=name,
                         why=error.message)  # fmt: skip
        except Exception:
            _log.exception("rescue: a look broke", policy=name)

    async def _look(self, one: Ready, scope: look.Scope, known: Known) -> None:
        policy, now = one.policy, self._clock.now()
        moves = self._ledger(known)
        await warm(self._book, known, moves)
        everything = snapshot(known, moves, self._book)
        seen = await asyncio.to_thread(
            look.decided, policy, one.rules, scope, known, moves, everything, self._draw
        )
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
        raw = known.raw
        asked: dict[str, str] = {}
        for first in range(0, len(seen.moves), ASKED_AT_ONCE):
            if not self._is_leader():
                break
            some = seen.moves[first : first + ASKED_AT_ONCE]
            made = await asyncio.gather(
                *(self._ask(policy, each, raw[each.pod], known) for each in some)
            )
            pairs = zip(some, made, strict=True)
            asked |= {command.pod: name for command, name in pairs if name}
        for key in seen.restarts:
            if self._is_leader():
                await self._evict(raw[key], policy)
        return states.Done(asked, await self._take_back(policy, rules, known))

    async def _ask(self, policy: RescuePolicy, command: Command, pod: Object, known: Known) -> str:
        """Create the Migration; returns `namespace/name`, empty if the API server refused."""
        body = wanted.migration(policy, command, pod, known.migrations)
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        uid = str(pod["metadata"]["uid"])
        try:
            await self._client.create(paths.migrations(namespace), body)
        except errors.AlreadyExists:
            _log.info("rescue: asked for already", migration=f"{namespace}/{name}")
        except errors.ApiError as error:
            self._metrics.refused.labels(error.reason).inc()
            _log.warning("rescue: the API server took no Migration", pod=command.pod,
                         why=error.message)  # fmt: skip
            if error.outcome_unknown:
                # It may exist: it is booked, and its pod is left alone, until that is known.
                self._unsure.add((namespace, name))
                at = self._clock.monotonic()
                self._asked.append(Asked(namespace, name, uid, command, at))
            return ""
        at = self._clock.monotonic()
        self._asked.append(Asked(namespace, name, uid, command, at))
        self._metrics.report_to_migration.observe(self._memory.report_age(command.source, at))
        _log.info("rescue: asked for a move", migration=f"{namespace}/{name}",
                  policy=policy.name, why=command.why)  # fmt: skip
        return f"{namespace}/{name}"

    async def _settle(self) -> None:
        """Read what was asked for without an answer: it is there, or it was never made."""
        for one in tuple(self._asked):
            if (one.namespace, one.name) not in self._unsure:
                continue
            try:
                await self._client.get(paths.migrations(one.namespace, one.name))
            except errors.NotFound:
                self._asked.remove(one)
            except errors.ApiError as error:
                _log.warning("rescue: not known whether a Migration was made", name=one.name,
                             namespace=one.namespace, why=error.message)  # fmt: skip
                continue
            self._unsure.discard((one.namespace, one.name))

    async def _evict(self, pod: Object, policy: RescuePolicy) -> None:
        """Restart a pod elsewhere, which loses its memory: the policy allows it."""
        metadata = pod["metadata"]
        path = paths.pods(str(metadata["namespace"]), str(metadata["name"]), "eviction")
        note = f"RescuePolicy {policy.name} allows a cold restart where no move helps any more"
        reason = "ColdRestarted"
        try:
            await self._client.create(path, wanted.eviction(pod))
        except errors.ApiError as error:
            reason = "ColdRestartRefused"
            note = f"{note}; the API server did not allow it: {error.message}"
            self._metrics.refused.labels(error.reason).inc()
        await self._events.event(pod, type_="Warning", reason=reason, note=note, action="Evict")

    async def _take_back(self, policy: RescuePolicy, rules: Policy, known: Known) -> dict[str, str]:
        """Cancel this policy's moves that are not needed any more and froze nothing yet."""
        gone: dict[str, str] = {}
        before, looks_of = self._unneeded.get(policy.name, {}), {}
        for one in known.migrations:
            status = one.status
            if one.rescue_policy != wanted.label(policy.name) or one.spec.cancel:
                continue
            node = _source_node(one)
            if status.phase in TERMINAL_VALUES or status.freeze_epoch > 0 or not node:
                continue
            without = self._ledger(known, without=one.uid)
            need = needed.still_needed(node, rules, known, without, self._book)
            looks = before.get(one.uid, 0) + 1 if need.needed is False else 0
            looks_of[one.uid] = looks
            if looks >= UNNEEDED_LOOKS and self._is_leader() and await self._cancel(one, need.why):
                gone[node] = need.why
        self._unneeded[policy.name] = looks_of
        return gone

    async def _cancel(self, migration: Migration, why: str) -> bool:
        """Ask for the end of a move, unless it went on since it was read: it may be frozen now."""
        path = paths.migrations(migration.namespace, migration.name)
        read = {"resourceVersion": migration.resource_version}
        try:
            await self._client.merge_patch(path, {"metadata": read, "spec": {"cancel": True}})
        except errors.ApiError as error:
            _log.info("rescue: not taken back", migration=f"{migration.namespace}/{migration.name}",
                      why=error.message)  # fmt: skip
            return False
        regarding = {
            "apiVersion": f"{names.GROUP}/{names.VERSION}", "kind": "Migration",
            "namespace": migration.namespace, "name": migration.name, "uid": migration.uid,
        }  # fmt: skip
        await self._events.event(
            regarding, type_="Normal", reason=Reason.PRESSURE_GONE.value, note=why, action="Cancel"
        )
        return True

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
        if not self._is_leader():
            return
        body = {"status": serde.to_dict(status)}
        self._statuses[policy.name] = (policy.uid, status)
        try:
            await self._client.merge_patch(paths.rescue_policies(policy.name, "status"), body)
        except errors.ApiError as error:
            _log.warning("rescue: status not written", policy=policy.name, why=error.message)
            # What was counted stays counted; without a time it is news again at the next look.
            self._statuses[policy.name] = (policy.uid, replace(status, evaluated_at=""))

    def _ledger(self, known: Known, without: str = "") -> Ledger:
        return ledger(
            known.migrations,
            known.asked,
            now=known.now,
            wall=known.wall,
            without=without,
            place=known.place,
        )

    def _ready_by_label(self, name: str) -> Ready | None:
        for policy in self._memory.policies():
            if wanted.label(policy.name) == name and policy.spec.mode.value == "Act":
                try:
                    return Ready(policy, valid.policy_of(policy.spec))
                except PodferryError:
                    return None
        return None

    def _forget_policies(self, present: set[str]) -> None:
        """Nothing of a policy that is gone is kept or shown."""
        kept: tuple[dict[str, Any], ...]
        kept = (self._insight, self._statuses, self._looked, self._unneeded)
        for of_policies in kept:
            for name in of_policies.keys() - present:
                del of_policies[name]
        self._metrics.keep(present)

    def _forget(self, known: Known) -> None:
        there = {(one.namespace, one.name) for one in known.migrations}
        self._unsure -= there
        self._asked = [
            one
            for one in self._asked
            if (one.namespace, one.name) not in there
            and (known.now - one.at < ASKED_SECONDS or (one.namespace, one.name) in self._unsure)
        ]
        if self._book.pods > 2 * sum(map(len, known.pods.values())) + 100:
            present = (pod for pods in known.pods.values() for pod in pods)
            self._book.keep(str(pod["metadata"]["uid"]) for pod in present)


def _source_node(migration: Migration) -> str:
    """The node that a move relieves, as soon as it is known."""
    status = migration.status
    if status.source is not None:
        return status.source.node
    return status.queued.source_node if status.queued is not None else ""
