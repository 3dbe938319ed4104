"""Status first, by compare-and-swap; then the actions, in order, or none at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from podferry.api.clock import FakeClock
from podferry.api.migration import (
    Decision,
    Measured,
    Migration,
    MigrationSpec,
    MigrationStatus,
    WorkloadKind,
    WorkloadRef,
)
from podferry.controller.core import actions
from podferry.controller.core.view import Step, View
from podferry.controller.runtime.executor import ActionFailed, Subject
from podferry.controller.runtime.metrics import Metrics
from podferry.controller.runtime.observe import Observations
from podferry.controller.runtime.reconciler import Codec, NotLeading, Reconciler
from podferry.kube import errors, paths
from tests.fakes.apiserver import FakeApiServer, Recorded, Refused

MOVE = paths.migrations("default", "move")
DETACH = actions.DetachSource("default", "web", "uid", ("pod-template-hash",))
DELETE = actions.DeletePod("default", "web", "uid")


def parse(raw: dict[str, Any]) -> Migration:
    metadata, status = raw["metadata"], raw.get("status") or {}
    return Migration(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=1,
        resource_version=metadata["resourceVersion"],
        deletion_requested=False,
        finalizers=tuple(metadata.get("finalizers") or ()),
        created_at="",
        spec=MigrationSpec(WorkloadRef(WorkloadKind.POD, "web")),
        status=MigrationStatus(
            phase=status.get("phase", ""),
            attempt=status.get("attempt", 0),
            decision=Decision(status.get("decision", "Undecided")),
        ),
    )


def to_dict(status: MigrationStatus) -> dict[str, Any]:
    return {
        "phase": status.phase,
        "attempt": status.attempt,
        "decision": status.decision.value,
    }


@dataclass
class FakeExecutor:
    done: list[actions.Action] = field(default_factory=list)
    subjects: list[Subject] = field(default_factory=list)
    fails_at: type | None = None

    async def run(self, subject: Subject, action: actions.Action) -> bool:
        if self.fails_at is not None and isinstance(action, self.fails_at):
            raise ActionFailed("SourceChanged", "it changed")
        self.done.append(action)
        self.subjects.append(replace(subject))
        return isinstance(action, actions.OrderAgent)


@dataclass
class FakeBuilder:
    """Gives the smallest View; `meanwhile` runs as if somebody else did something."""

    meanwhile: Callable[[], None] = lambda: None

    async def prefetch(self, namespace: str, name: str) -> dict[str, Any]:
        return {}

    async def build(self, migration: Migration, prefetched: dict[str, Any]) -> View:
        self.meanwhile()
        return View(migration, FakeClock().now(), {}, {}, None)

    def decided(self, migration: Migration) -> None:
        """Limits are not this file's subject."""


@dataclass
class World:
    server: FakeApiServer
    executor: FakeExecutor
    builder: FakeBuilder
    metrics: Metrics
    reconciler: Reconciler
    step: list[Step]
    leads: list[bool]

    def phase(self) -> str:
        found = self.server.object(MOVE)
        assert found is not None
        return str(found.get("status", {}).get("phase", ""))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeApiServer() as server:
        client = await server.client()
        server.seed(MOVE, {"metadata": {"name": "move", "namespace": "default"}})
        executor, builder, metrics, clock = FakeExecutor(), FakeBuilder(), Metrics(), FakeClock()
        step: list[Step] = []
        leads = [True]
        reconciler = Reconciler(
            client,
            builder,  # type: ignore[arg-type]
            executor,  # type: ignore[arg-type]
            Observations(clock),
            metrics,
            advance=lambda _view: step[0],
            codec=Codec(parse, to_dict),
            clock=clock,
            is_leader=lambda: leads[0],
        )
        yield World(server, executor, builder, metrics, reconciler, step, leads)
        await client.close()


def freezing(*wanted: actions.Action, **more: Any) -> Step:
    return Step(MigrationStatus(phase="Freezing", attempt=1), tuple(wanted), **more)


async def test_the_status_is_written_before_the_actions_run(world: World) -> None:
    world.step.append(freezing(DETACH, DELETE, requeue_after_seconds=3.0))
    outcome = await world.reconciler.reconcile("default", "move")
    assert world.phase() == "Freezing"
    assert world.executor.done == [DETACH, DELETE]
    assert outcome.after_seconds == 3.0
    written = world.server.object(MOVE)
    assert written is not None
    version = written["metadata"]["resourceVersion"]
    assert world.executor.subjects[0].resource_version == version


async def test_a_conflict_on_the_status_means_that_no_action_runs(world: World) -> None:
    world.step.append(freezing(DETACH, decides=True))
    world.builder.meanwhile = lambda: (
        world.server.patch(MOVE, {"metadata": {"annotations": {"by": "the webhook"}}}),
        None,
    )[1]
    with pytest.raises(errors.Conflict):
        await world.reconciler.reconcile("default", "move")
    assert world.executor.done == []
    assert world.phase() == ""


@pytest.mark.parametrize("landed", [True, False])
async def test_a_decision_without_an_answer_is_read_again_before_anything_is_done(
    world: World, landed: bool
) -> None:
    decided = MigrationStatus(phase="Committed", attempt=1, decision=Decision.COMMITTED)
    world.step.append(Step(decided, (DELETE,), decides=True))

    def lose(seen: Recorded) -> Refused | None:
        if seen.method != "PATCH":
            return None
        if landed:
            world.server.patch(MOVE, {"status": seen.body["status"]})
        return Refused(504, "Timeout", "no answer in time")

    world.server.intercept = lose
    with pytest.raises(errors.ApiError) as caught:
        await world.reconciler.reconcile("default", "move")
    assert caught.value.outcome_unknown
    assert world.executor.done == []
    world.server.intercept = None
    before = len(world.server.requests)
    await world.reconciler.reconcile("default", "move")
    methods = [seen.method for seen in world.server.requests[before:]]
    assert methods == (["GET"] if landed else ["GET", "PATCH"])
    assert world.executor.done == [DELETE]


async def test_an_unchanged_status_is_not_written_and_actions_run(world: World) -> None:
    world.step.append(freezing(DETACH))
    await world.reconciler.reconcile("default", "move")
    before = len(world.server.requests)
    await world.reconciler.reconcile("default", "move")
    assert [seen.method for seen in world.server.requests[before:]] == ["GET"]
    assert world.executor.done == [DETACH, DETACH]


async def test_an_action_that_fails_keeps_the_later_ones_from_running(world: World) -> None:
    world.executor.fails_at = actions.DetachSource
    world.step.append(freezing(DETACH, DELETE))
    with pytest.raises(ActionFailed):
        await world.reconciler.reconcile("default", "move")
    assert world.executor.done == []
    assert world.phase() == "Freezing"


async def test_who_does_not_lead_writes_nothing_and_does_nothing(world: World) -> None:
    world.step.append(freezing(DETACH))
    world.leads[0] = False
    with pytest.raises(NotLeading):
        await world.reconciler.reconcile("default", "move")
    assert world.executor.done == []
    assert world.phase() == ""


async def test_a_migration_that_is_gone_is_nothing_to_do(world: World) -> None:
    world.server.remove(MOVE)
    assert (await world.reconciler.reconcile("default", "move")).after_seconds is None


async def test_the_end_of_a_move_is_counted_once(world: World) -> None:
    over = MigrationStatus(phase="RolledBack", attempt=1, decision=Decision.ROLLED_BACK,
                           decision_reason="Cancelled", strategy="Container")  # fmt: skip
    world.step.append(Step(over))
    await world.reconciler.reconcile("default", "move")
    await world.reconciler.reconcile("default", "move")
    text = world.metrics.render().decode()
    wanted = 'podferry_migrations_total{reason="Cancelled",result="RolledBack",'
    assert wanted + 'strategy="Container"} 1.0' in text


async def test_what_a_successful_move_took_is_measured(world: World) -> None:
    measured = Measured(freeze_seconds=0.7, total_seconds=2.0, dump_seconds=0.4)
    over = MigrationStatus(
        phase="Succeeded",
        attempt=1,
        decision=Decision.COMMITTED,
        decision_reason="Decided",
        strategy="Container",
        copy="StopAndCopy",
        measured=measured,
    )
    world.step.append(Step(over))
    await world.reconciler.reconcile("default", "move")
    text = world.metrics.render().decode()
    labels = '{copy="StopAndCopy",strategy="Container"}'
    assert f"podferry_migration_freeze_seconds_sum{labels} 0.7" in text
    assert 'podferry_migration_phase_seconds_sum{phase="Dump"} 0.4' in text
    assert 'phase="Restore"' not in text
