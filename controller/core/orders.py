"""The orders to the two agents of an attempt, as the status describes it. Pure."""

from __future__ import annotations

from typing import Any

from podferry.api.migration import CopyMode, Decision, Endpoint, MigrationStatus, keeps_name
from podferry.api.reasons import Condition, Reason
from podferry.controller.core import pods
from podferry.controller.core.actions import OrderAgent
from podferry.controller.core.status import condition
from podferry.controller.core.view import View
from podferry.strategies.container import preflight
from podferry.wire.stages import Order, Role, SourceStage, TargetStage, Verdict

WAIT_SECONDS = 5.0
"""How long one order waits for its answer; shorter than what a cancel may take to be seen."""
DEAD_MAN_SECONDS = 90
"""A frozen source that nobody sealed wakes up by itself after this, or earlier: its liveness probe
gets no answer meanwhile, and what kubelet gave up is killed once it is awake."""
GRACE_SECONDS = 30
"""Kubernetes' own terminationGracePeriodSeconds."""
FORWARD_SECONDS = 2.5
"""From the end of the source's tasks its pod takes new connections for that long: kubelet sees that
end within 1 s, and kube-proxy writes its rules at most once a second by default."""

_VERDICTS = {
    Decision.UNDECIDED: Verdict.UNDECIDED,
    Decision.COMMITTED: Verdict.COMMITTED,
    Decision.ROLLED_BACK: Verdict.ROLLED_BACK,
    Decision.REVERTED: Verdict.ROLLED_BACK,
}


def page_port(view: View) -> int:
    """Port of the page stream, chosen by the side that listens; 0 before it said so.

    StopAndCopy: the target's page server. PostCopy: the source, which serves pages on demand.
    """
    lazy = view.migration.status.copy == CopyMode.POST_COPY.value
    listener = view.source if lazy else view.target
    return int((listener.facts if listener else {}).get("pagePort") or 0)


def source(
    view: View,
    status: MigrationStatus,
    stage: SourceStage,
    *,
    wait: float = WAIT_SECONDS,
    pages_done: bool = False,
) -> OrderAgent:
    """An order to the source's agent; `pages_done`: nobody needs a page of it any more."""
    end, other = status.source, status.target
    assert end is not None
    assert other is not None
    params: dict[str, Any] = {
        "namespace": view.migration.namespace,
        "pod": end.pod,
        "podUID": end.uid,
        "container": end.container,
        "containerID": end.container_id,
        "copy": status.copy,
        "targetAddress": other.address,
        "pagePort": page_port(view),
        "deadManSeconds": dead_man_seconds(view, end.pod),
        "sameName": keeps_name(status.owner),
    }
    address = _target_ip(view, status) if stage is SourceStage.REDIRECTED else ""
    if address:
        params |= {"podIP": end.pod_ip, "forwardTo": address}
    if stage is SourceStage.PREPARED and view.migration.spec.freeze_first:
        params["pauseFirst"] = True
    if stage is SourceStage.THAWED:
        params |= _end_of(view, end)
    if stage is SourceStage.RELEASED:
        params["forwardSeconds"] = FORWARD_SECONDS
        said = view.target is not None and view.target.facts.get("pagesDone") is True
        if pages_done or said:
            params["pagesDone"] = True
    return _order(view, status, Role.SOURCE, stage.value, params, wait)


def _end_of(view: View, end: Endpoint) -> dict[str, Any]:
    """Whether the source's pod is being ended, and how long a stop of it takes.

    Kubelet may have begun to stop a container that only could not answer its liveness probe.
    """
    pod = view.pods.get(end.pod)
    if pod is None or pod["metadata"]["uid"] != end.uid or pods.is_ending(pod):
        return {"ending": True}
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return {"ending": True}  # kubelet evicted it
    spec = pod.get("spec") or {}
    probes = [one.get("livenessProbe") or {} for one in spec.get("containers") or []]
    own = spec.get("terminationGracePeriodSeconds")
    theirs = [int(one.get("terminationGracePeriodSeconds") or 0) for one in probes]
    grace = max([GRACE_SECONDS if own is None else int(own), *theirs])
    return {"ending": False, "graceSeconds": grace}


def dead_man_seconds(view: View, name: str) -> float:
    """After how many seconds of a freeze that nobody sealed the pod `name` wakes up by itself."""
    pod = view.pods.get(name)
    bound = preflight.longest_freeze(pod) if pod is not None else DEAD_MAN_SECONDS
    return max(1, min(DEAD_MAN_SECONDS, bound))


def target(
    view: View,
    status: MigrationStatus,
    stage: TargetStage,
    *,
    wait: float = WAIT_SECONDS,
    final_pod_uid: str = "",
) -> OrderAgent:
    """An order to the target's agent."""
    end, other = status.target, status.source
    assert end is not None
    assert other is not None
    params: dict[str, Any] = {
        "namespace": view.migration.namespace,
        "container": other.container,
        "copy": status.copy,
        "sourceAddress": other.address,
        "sameName": keeps_name(status.owner),
    }
    if status.copy == CopyMode.POST_COPY.value:
        params["pagePort"] = page_port(view)
    if final_pod_uid:
        params["finalPodUID"] = final_pod_uid
    if stage is TargetStage.FORGOTTEN and pages_given_up(status):
        params["pagesGivenUp"] = True
    if stage is TargetStage.FORGOTTEN and other.pod_ip and not keeps_name(status.owner):
        params["forwardedFrom"] = other.pod_ip
    return _order(view, status, Role.TARGET, stage.value, params, wait)


def pages_given_up(status: MigrationStatus) -> bool:
    """Whether the source was released though the target had not all of its memory."""
    found = condition(status, Condition.PAGING)
    ended = Reason.ENDED_WHILE_PAGING.value
    return found is not None and found.status == "False" and found.reason == ended


def _target_ip(view: View, status: MigrationStatus) -> str:
    """Where the source forwards to; empty: not known, or its pod object is gone anyway.

    The agent knows it first: kubelet reports it only after `create`, in which the target is held.
    """
    if keeps_name(status.owner) or status.target is None:
        return ""
    pod = view.pods.get(status.target.pod) or {}
    told = (view.target.facts if view.target else {}).get("podIP")
    return str(told or (pod.get("status") or {}).get("podIP") or "")


def _order(
    view: View,
    status: MigrationStatus,
    role: Role,
    stage: str,
    params: dict[str, Any],
    wait: float,
) -> OrderAgent:
    end = status.source if role is Role.SOURCE else status.target
    assert end is not None
    order = Order(
        migration=view.migration.uid,
        attempt=status.attempt,
        role=role,
        stage=stage,
        verdict=_VERDICTS[status.decision],
        freeze_epoch=status.freeze_epoch,
        params=params,
    )
    return OrderAgent(node=end.node, address=end.address, order=order, wait_seconds=wait)
