"""A kubelet and the containerd under it: pods of the API server become containers of the node.

Owns: creating, ending and restarting containers, pod status. What it learns of pods is as old as
its last contact with the API server.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from podferry.wire import layout, names

from . import api as apiserver
from .api import Api
from .clock import Work
from .create import Failed, create
from .node import Container, Node

SYNC_SECONDS = 0.1
CRI_SECONDS = 120.0
RETRY_SECONDS = 3.0
READY_AFTER_SECONDS = 1.0
START_SECONDS = 0.004
RELIST_SECONDS = 1.0


class Kubelet:
    """One node's. Its memory is lost when it is killed; containers and wrappers are not."""

    def __init__(
        self, node: Node, api: Api, settings: dict[str, Any], housekept: Callable[[str], None]
    ) -> None:
        self.node, self.api, self.settings = node, api, settings
        self._housekept = housekept
        self.pods: dict[str, dict[str, Any]] = {}
        self._not_before: dict[str, float] = {}
        self._runs_since: dict[str, float] = {}
        self._ours = f"kubelet-{node.name}"
        self._first = True
        self._seen = -1

    def run(self) -> Work:
        """Look at every pod, for ever."""
        synced = False
        while True:
            if self.api.reachable(self.node.name):
                if self._seen != self.api.version:
                    self._seen = self.api.version
                    self._list()
                synced = True
            if synced and self.node.containerd_up:
                self._sync()
            if synced and self.api.reachable(self.node.name):
                self._report()
            yield SYNC_SECONDS * (0.7 + 0.6 * self.node.sim.rng.random())

    def _list(self) -> None:
        mine = {
            pod["metadata"]["uid"]: pod
            for pod in self.api.pods.values()
            if pod["spec"].get("nodeName") == self.node.name
        }
        self.pods = copy.deepcopy(mine)
        run = self.node.run
        for name in [name for name in run if name.startswith("known/")]:
            uid = name.partition("/")[2]
            if uid not in mine and not any(
                item.alive and item.pod == uid for item in self.node.containers.values()
            ):
                # The sandbox goes, and its network namespace with all rules in it.
                run.pop(name)
                run.pop(f"shield/{uid}", None)
        run.update({f"known/{uid}": True for uid in mine})
        if self._first:
            self._first = False
            for item in list(self.node.containers.values()):
                # Housekeeping of a new kubelet kills the cgroup of a pod that is no more, past
                # the wrapper (protocol item 10).
                if item.alive and item.pod not in mine:
                    self._housekept(item.pod)
                    self.node.end(item.id, "kubelet's housekeeping after its restart")

    def _sync(self) -> None:
        for uid, pod in self.pods.items():
            if pod["metadata"].get("deletionTimestamp"):
                self._stop(uid)
            else:
                self._keep(uid, pod)
        for uid in {item.pod for item in self.node.containers.values() if item.alive}:
            if uid not in self.pods:
                self._stop(uid)
        for name in [name for name in self.node.procs if name.startswith("create/")]:
            if self.node.lives(name) and self.node.run.get(f"pod/{name}") not in self.pods:
                self.node.kill(name)

    def _keep(self, uid: str, pod: dict[str, Any]) -> None:
        node = self.node
        if self._container(uid) is not None or self._creating(uid):
            return
        last = [item for item in node.containers.values() if item.pod == uid]
        never = pod["spec"].get("restartPolicy") == "Never"
        if last and never and last[-1].exit_code is not None:
            return
        if node.sim.now < self._not_before.get(uid, 0.0):
            return
        node.made += 1
        identity = f"{node.name}-{node.boot}-{node.made}"
        name = f"create/{identity}"
        node.run[f"pod/{name}"] = uid
        self._not_before[uid] = node.sim.now + RETRY_SECONDS * (0.5 + node.sim.rng.random())

        def work() -> Work:
            try:
                made = yield from create(node, pod, identity)
            except Failed as failure:
                node.log(f"{node.name}: create {identity} of {uid}: {failure}")
                return
            yield START_SECONDS
            if node.containerd_up and not node.run.get(f"lost/{name}"):
                made.started = True
                node.run.pop(layout.restored_file(identity), None)

        proc = node.start(name, work())
        # containerd ends only the wrapper when its caller loses patience.
        node.sim.later(CRI_SECONDS, lambda: node.sim.kill(proc))

    def _creating(self, uid: str) -> bool:
        """Whether a create of this kubelet's own is under way; those of an earlier one are not."""
        return any(
            self.node.lives(name) and self.node.run.get(f"pod/{name}") == uid
            for name in self.node.procs
            if name.startswith("create/") and not self.node.run.get(f"lost/{name}")
        )

    def _container(self, uid: str) -> Container | None:
        """The living container of a pod whose create is over."""
        return next(
            (
                item
                for item in self.node.containers.values()
                if item.pod == uid and item.alive and not self.node.lives(f"create/{item.id}")
            ),
            None,
        )

    def _stop(self, uid: str) -> None:
        """Kill what runs of a pod, through the wrapper; a held kill changes nothing."""
        for name in [name for name in self.node.procs if name.startswith("create/")]:
            if self.node.run.get(f"pod/{name}") == uid:
                self.node.kill(name)
        for item in list(self.node.containers.values()):
            if item.pod != uid or not item.alive:
                continue
            hold = layout.hold_file(item.id)
            if hold in self.node.run:
                self.node.run[hold] = "swallowed"
            else:
                self.node.end(item.id, "kubelet", 143)

    def _report(self) -> None:
        for pod in list(self.api.pods.values()):
            uid = pod["metadata"]["uid"]
            if pod["spec"].get("nodeName") != self.node.name:
                continue
            living = [i for i in self.node.containers.values() if i.pod == uid and i.alive]
            if pod["metadata"].get("deletionTimestamp"):
                if not living and not self._creating(uid):
                    self.api.delete(pod["metadata"]["name"], uid, now=True)
                continue
            self._report_one(pod, uid)

    def _report_one(self, pod: dict[str, Any], uid: str) -> None:
        now, item = self.node.sim.now, self._container(uid)
        ended = [
            i for i in self.node.containers.values() if i.pod == uid and i.exit_code is not None
        ]
        changed = False
        if item is None:
            self._runs_since.pop(uid, None)
            changed |= apiserver.set_condition(pod, "Ready", False)
            never = pod["spec"].get("restartPolicy") == "Never"
            late = now - max((item.ended_at for item in ended), default=now) >= RELIST_SECONDS
            if ended and never and late and not self._creating(uid):
                phase = "Succeeded" if ended[-1].exit_code == 0 else "Failed"
                changed |= pod["status"].get("phase") != phase
                pod["status"]["phase"] = phase
        else:
            since = self._runs_since.setdefault(uid, now)
            changed |= pod["status"].get("phase") == "Pending"
            pod["status"]["phase"] = "Running"
            gates = {gate["conditionType"] for gate in pod["spec"].get("readinessGates", [])}
            open_ = names.READINESS_GATE not in gates or apiserver.condition(
                pod, names.READINESS_GATE
            )
            slow = self.settings.get("never_ready") and pod["metadata"]["uid"] != "u-source"
            ready = open_ and not slow and now - since >= READY_AFTER_SECONDS
            changed |= apiserver.set_condition(pod, "Ready", bool(ready))
        if changed:
            self.api.touch()


def restart_kubelet(node: Node, seconds: float) -> bool:
    """kubelet dies: its calls are cancelled, so containerd ends what they were creating."""
    for name in _creates(node):
        node.kill(name)
    return node.restart("kubelet", seconds)


def restart_containerd(node: Node, seconds: float) -> bool:
    """containerd dies: its callers get errors; shims and what they run live on.

    A container that was created and not started is deleted when it is back, tasks and all
    (containerd, internal/cri/server/restart.go: `case containerd.Created`).
    """
    there, node.containerd_up = node.containerd_up, False
    boot = node.boot
    for name in _creates(node):
        node.run[f"lost/{name}"] = True

    def back() -> None:
        if node.boot != boot:
            return
        node.containerd_up = True
        for name in _creates(node):
            if node.run.get(f"lost/{name}"):
                node.kill(name)
        for item in list(node.containers.values()):
            if not item.started:
                node.end(item.id, "containerd deletes what it never started")

    node.sim.later(seconds, back)
    return there


def _creates(node: Node) -> list[str]:
    return [name for name in node.procs if name.startswith("create/") and node.lives(name)]
