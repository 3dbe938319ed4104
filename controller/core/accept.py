"""From a request to an accepted Migration, or a refusal before anything was touched. Pure.

Two passes: the first resolves, checks what the API server knows and chooses the target; the second
has the probe of the source's agent and predicts. Only then `Accepted` is True.
"""

from __future__ import annotations

from typing import Any

from podferry.api.errors import PreconditionError
from podferry.api.migration import (
    CopyMode,
    Endpoint,
    Migration,
    MigrationSpec,
    Prediction,
    StrategyName,
    Transport,
    WorkloadKind,
    keeps_name,
)
from podferry.api.reasons import Condition, Phase, Reason
from podferry.controller.core import budgets, owners, places, restored, upgrades
from podferry.controller.core.actions import EnsureFinalizer, ProbeSource, RecordEvent
from podferry.controller.core.status import Draft, is_true, seconds_since, stamp
from podferry.controller.core.view import NodeView, Step, View
from podferry.strategies.container import (
    companions,
    copy_mode,
    estimate,
    init_cost,
    preflight,
    preparation,
    quota_checks,
)
from podferry.strategies.container.claim_checks import (
    check_claims,
    check_claims_in_post_copy,
    check_reach,
)
from podferry.strategies.container.spread_checks import check_spread

PROBE_SECONDS = 30.0
AGENT_GRACE_SECONDS = 10.0
"""So long after its creation a request waits for an agent that is (re)starting [s]."""


def accept(view: View) -> Step:
    """The next step of a Migration that is not accepted yet."""
    try:
        if view.migration.status.source is None:
            return _first(view)
        return _second(view)
    except PreconditionError as refusal:
        if _agents_may_come(view, refusal.reason):
            return Step(view.migration.status, (), 1.0)
        return refuse(view, refusal.reason, refusal.message)


def _agents_may_come(view: View, reason: str) -> bool:
    """An upgrade restarts agents and controller together; that alone is no reason to refuse."""
    missing = reason in (Reason.AGENT_MISSING, Reason.NO_ELIGIBLE_TARGET) and any(
        node.facts is None for node in view.nodes.values()
    )
    age = seconds_since(view.migration.created_at, view.now)
    return missing and view.migration.status.source is None and age < AGENT_GRACE_SECONDS


def refuse(view: View, reason: Reason | str, message: str) -> Step:
    """End it: nothing was touched."""
    draft = Draft(view.migration, view.now)
    draft.set(Condition.ACCEPTED, False, reason, message)
    draft.end(Phase.FAILED, reason, message)
    return Step(draft.value, (RecordEvent("Warning", str(reason), message),), 0.0)


def _first(view: View) -> Step:
    migration = view.migration
    _check_built(migration.spec)
    _raise(preflight.check_namespace(view.namespace))
    _check_first_asked(view)
    found = owners.resolve(view)
    _check_alone(view, found.endpoint.uid)
    _raise(preflight.check_pod(found.pod))
    same_name = keeps_name(found.owner)
    _raise(check_claims(found.pod, view.claims, others=view.pods, same_name=same_name))
    source = view.nodes.get(found.endpoint.node)
    if source is None:
        raise PreconditionError(
            Reason.UNKNOWN_NODE, f"node {found.endpoint.node} of the pod is not known"
        )
    asked = migration.spec.copy is CopyMode.POST_COPY
    _raise(preflight.check_source(source, post_copy=asked))
    _raise(quota_checks.check_quotas(found.pod, view.quotas))
    target = _target(view, found.pod, source, same_name=same_name)
    hold = budgets.before_start(view, found.pod) or upgrades.before_start(source, target)
    if hold is not None:
        return upgrades.wait_to_start(view, hold)
    turn = places.may_start(view, source.name, target.name)
    if turn.position:
        return places.wait(view, source.name, target.name, turn)
    draft = Draft(migration, view.now)
    draft.put(
        source=found.endpoint,
        target=Endpoint(node=target.name, address=target.address),
        owner=found.owner,
        queued=None,
        attempt=1,
        started_at=stamp(view.now),
        strategy=StrategyName.CONTAINER.value,
        strategy_reason="the workload is a pod; its container is moved by CRIU",
    )
    draft.progress(Phase.PENDING, Reason.CHECKS_PASSED, "asking the source's agent for a probe")
    end = found.endpoint
    body = {"podUID": end.uid, "container": end.container, "containerID": end.container_id}
    return Step(draft.value, (EnsureFinalizer(), ProbeSource(end.node, end.address, body)), 1.0)


def _second(view: View) -> Step:
    """The probe has answered: choose the copy mode, predict, and accept or refuse."""
    status = view.migration.status
    end, target = status.source, status.target
    assert end is not None
    if view.probe is None:
        return _wait_for_probe(view, end)
    _raise(preflight.check_probe(view.probe))
    mode, why, prediction = _foresee(view, view.probe)
    pod = view.pods.get(end.pod)
    if pod is None or pod["metadata"]["uid"] != end.uid:
        raise PreconditionError(Reason.UNKNOWN_WORKLOAD, f"pod {end.pod} is gone")
    if keeps_name(status.owner):
        prediction = init_cost.lengthen(prediction, pod)
    spec = view.migration.spec
    if spec.freeze_first:
        prediction = preparation.lengthen(prediction, view.history)
    _raise(
        preflight.check_budget(
            pod=pod,
            prediction=prediction,
            max_freeze_seconds=spec.max_freeze_seconds,
            auto_reason=why if spec.copy is CopyMode.AUTO else "",
        )
    )
    draft = Draft(view.migration, view.now)
    draft.put(copy=mode.value, copy_reason=why, prediction=prediction)
    message = (
        f"{prediction.bytes / 2**20:.0f} MiB from {end.node} to {target.node if target else '?'}"
        f" by {mode.value}; predicted freeze {prediction.freeze_p50_seconds:.2f} s (p95"
        f" {prediction.freeze_p95_seconds:.2f} s, {prediction.source})"
    )
    if spec.freeze_first:
        message += "; frozen first, so the freeze includes the preparation"
    if not restored.is_digest(end.image):
        message += (
            f"; the node has the image of container {end.container} under no digest, so the target"
            " takes what it has under that name: both must be the same"
        )
    others = companions.anew(pod, end.container)
    if others:
        message += f"; {end.container} travels, {', '.join(others)} of its pod start anew"
    draft.set(Condition.ACCEPTED, True, Reason.CHECKS_PASSED, message)
    draft.progress(Phase.PREPARING, Reason.PREPARING_TARGET, "preparing both nodes")
    event = RecordEvent("Normal", "Accepted", message, end.pod, end.uid)
    return Step(draft.value, (EnsureFinalizer(), event), 0.0)


def _wait_for_probe(view: View, end: Endpoint) -> Step:
    status = view.migration.status
    if seconds_since(status.started_at, view.now) > PROBE_SECONDS:
        raise PreconditionError(
            Reason.AGENT_UNREACHABLE,
            f"the agent on {end.node} did not answer the probe within {PROBE_SECONDS:.0f} s;"
            " see its pod in podferry-system",
        )
    body = {"podUID": end.uid, "container": end.container, "containerID": end.container_id}
    return Step(status, (EnsureFinalizer(), ProbeSource(end.node, end.address, body)), 1.0)


def _foresee(view: View, probe: dict[str, Any]) -> tuple[CopyMode, str, Prediction]:
    """The copy mode, why it, and what it will cost. Raises PreconditionError."""
    spec, status = view.migration.spec, view.migration.status
    same_name = keeps_name(status.owner)
    obstacles = _against_post_copy(view)
    if spec.copy is CopyMode.POST_COPY:
        _raise(obstacles)
    load: dict[str, Any] = {
        "resident_bytes": int(probe.get("residentBytes") or 0),
        "file_bytes": int(probe.get("fileBytes") or 0),
        "history": view.history,
        "now": view.now,
        "same_name": same_name,
    }
    budget = spec.max_freeze_seconds
    if budget is not None and spec.freeze_first:
        budget = preparation.left_of(budget, view.history)
    mode, why = copy_mode.choose_copy(
        copy=spec.copy,
        max_freeze_seconds=budget,
        post_copy_refused="; ".join(finding.message for finding in obstacles),
        **load,
    )
    return mode, why, estimate.predict(copy=mode, **load)


def _check_built(spec: MigrationSpec) -> None:
    """Known values that no code stands behind yet."""
    unbuilt = [
        (spec.strategy in (StrategyName.VIRTUAL_MACHINE, StrategyName.COLD_RESTART),
         f"strategy {spec.strategy.value}", "use Auto or Container"),
        (spec.workload_ref.kind is WorkloadKind.VIRTUAL_MACHINE_INSTANCE,
         "workloadRef.kind VirtualMachineInstance", "use kubevirt's own migration for now"),
        (spec.copy is CopyMode.PRE_COPY, "copy PreCopy", "use Auto, StopAndCopy or PostCopy"),
        (spec.transport is Transport.SHARED_FILESYSTEM, "transport SharedFilesystem",
         "use Direct"),
        (bool(spec.fallback), "fallback", "leave it empty"),
    ]  # fmt: skip
    for is_asked, what, instead in unbuilt:
        if is_asked:
            raise PreconditionError(Reason.NOT_SUPPORTED_YET, f"{what} is not built yet; {instead}")


def _check_first_asked(view: View) -> None:
    """The older of two requests for one workload acts; its pod may be detached by now."""
    for other in view.others:
        same = other.spec.workload_ref == view.migration.spec.workload_ref
        if same and _age_key(other) < _age_key(view.migration):
            raise _already(other)


def _check_alone(view: View, pod_uid: str) -> None:
    """No other Migration acts on this pod, under whatever name it was asked for."""
    for other in view.others:
        if other.status.source is not None and other.status.source.uid == pod_uid:
            raise _already(other)


def _already(other: Migration) -> PreconditionError:
    return PreconditionError(
        Reason.ALREADY_MIGRATING,
        f"Migration {other.name} moves this pod already; wait for its end, or cancel it"
        f" with `podferry cancel {other.name}`",
    )


def _age_key(migration: Migration) -> tuple[str, str]:
    return migration.created_at, migration.uid


def _target(view: View, pod: dict[str, object], source: NodeView, *, same_name: bool) -> NodeView:
    spec = view.migration.spec
    post_copy = spec.copy is CopyMode.POST_COPY
    if not spec.target_node:
        chosen, findings = preflight.choose_target(
            pod=pod,
            source=source,
            nodes=view.nodes,
            selector=spec.target_selector,
            post_copy=post_copy,
            full=places.full_targets(view) | upgrades.unwilling(view.nodes, source),
            claims=view.claims,
            pods=view.pods,
            same_name=same_name,
        )
        if chosen is None:
            _raise(findings)
            raise PreconditionError(Reason.NO_ELIGIBLE_TARGET, "no node can take the pod")
        return chosen
    target = view.nodes.get(spec.target_node)
    if target is None:
        known = ", ".join(sorted(view.nodes))
        raise PreconditionError(
            Reason.UNKNOWN_NODE, f"node {spec.target_node} does not exist; known: {known}"
        )
    _raise(preflight.check_target(pod, source, target, post_copy=post_copy))
    _raise([*check_reach(pod, view.claims, target)])
    spread = check_spread(pod, target, nodes=view.nodes, pods=view.pods, same_name=same_name)
    _raise(list(spread))
    return target


def _against_post_copy(view: View) -> list[preflight.Finding]:
    """What the chosen nodes lack for it; a node that is gone is found out elsewhere."""
    status = view.migration.status
    ends = [view.nodes.get(end.node) for end in (status.source, status.target) if end is not None]
    source, target = ends if len(ends) == 2 else (None, None)
    found = preflight.check_post_copy(source, target) if source and target else []
    pod = view.pods.get(status.source.pod) if status.source else None
    return [*found, *check_claims_in_post_copy(pod or {})]


def _raise(findings: list[preflight.Finding]) -> None:
    """Refuse with the first reason and every message."""
    if findings:
        raise PreconditionError(
            findings[0].reason, "; ".join(finding.message for finding in findings)
        )


def is_accepted(migration: Migration) -> bool:
    """Whether the checks passed."""
    return is_true(migration.status, Condition.ACCEPTED)
