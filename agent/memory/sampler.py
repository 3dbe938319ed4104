"""Samples the node's memory for ever, in a thread of its own, and tells of it to who asks.

A thread, because under memory pressure a read in the kernel may take long, and orders must not wait
for it. Moments are monotonic: a wall clock that jumps changes nothing. A sample whose node part
cannot be read is none: its number is not given, so the age of the latest tells.
Owns: the thread, the samples, the metrics. Never does: decide (telling.py), know of moves.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable

import structlog

from podferry.agent.errors import Refused
from podferry.agent.memory import gauges, kubelet, telling, thresholds
from podferry.agent.memory.cgroups import Group, Reading, Tree
from podferry.agent.memory.files import Garbage, Gone
from podferry.agent.memory.history import History
from podferry.wire.memory import Asked, Report

log = structlog.get_logger("podferry.agent.memory")
KUBELET_SECONDS = 30.0
"""So often it is looked whether kubelet is still the same process [s]."""


class Sampler:
    """The node's samples.

    Args:
        tree: the node's cgroups.
        proc: the agent's path of the node's /proc.
        about: what of a report is no sample.
        clock: monotonic [s].
    """

    def __init__(
        self,
        tree: Tree,
        proc: str,
        about: telling.About,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tree, self._proc, self._about, self._clock = tree, proc, about, clock
        self._root, self._groups = tree.root(), dict[str, Group]()
        self._all_pods: Group | None = None
        self._of_pods: float | None = None
        self._history, self._lock = History(), threading.Lock()
        self._capacity, self._thresholds = 0, thresholds.unknown("kubelet was not looked at", 0)
        self._kubelet: kubelet.Kubelet | None = None
        self._look_at = float("-inf")
        self._problem = "the first sample is not taken yet"
        self._stop, self._closed = threading.Event(), False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Future[None]] = set()

    def listen(self) -> None:
        """Answer coroutines of this loop."""
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        """Begin to sample; from the loop whose coroutines will ask."""
        self.listen()
        threading.Thread(target=self._run, name="memory", daemon=True).start()

    def close(self) -> None:
        """Sample no more and answer at once who waits; from the loop."""
        self._stop.set()
        self._closed = True
        self._wake()

    def _run(self) -> None:
        due = self._clock()
        while not self._stop.wait(max(0.0, due - self._clock())):
            try:
                self.sample()
            except Exception:  # a defect in a sample must not end all that come after it
                gauges.errors.labels("internal").inc()
                log.exception("a memory sample broke")
            due += self._about.interval
            if due < self._clock():
                gauges.errors.labels("late").inc()
                due = self._clock() + self._about.interval
            self.tell()

    def tell(self) -> None:
        """Let who waits look at the latest sample; from any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._wake)

    def sample(self) -> None:
        """Take one sample now."""
        began = time.thread_time()
        moment = self._clock()
        if moment >= self._look_at:
            self._look_at_kubelet(moment)
        root = self._read_root()
        if root is not None:
            pods = self._read_pods()
            available = float(self._capacity - root.working_set)
            self._of_pods = self._read_all_pods()
            least = available if self._of_pods is None else min(available, self._of_pods)
            with self._lock:
                self._history.add(moment, self._capacity - least, pods, root)
            gauges.sampled(moment, available, self._of_pods, self._thresholds, root.pressure)
        gauges.cpu.inc(time.thread_time() - began)

    def _look_at_kubelet(self, moment: float) -> None:
        """Capacity and thresholds; kubelet reads its settings once, when it starts."""
        self._look_at = moment + KUBELET_SECONDS
        try:
            capacity = self._tree.capacity()
        except (OSError, ValueError) as error:
            gauges.errors.labels("capacity").inc()
            self._problem = f"the node's capacity cannot be read: {error}"
            return
        known = self._kubelet
        if known is not None and capacity == self._capacity and kubelet.still(self._proc, known):
            return
        try:
            self._kubelet = kubelet.find(self._proc)
            found = kubelet.read(self._proc, self._kubelet, capacity)
        except (OSError, kubelet.NotFound) as error:
            self._kubelet, found = None, thresholds.unknown(str(error), capacity)
        if found != self._thresholds:
            log.info("eviction threshold", bytes=found.hard, soft=found.soft, source=found.source)
        with self._lock:
            self._capacity, self._thresholds = capacity, found

    def _read_root(self) -> Reading | None:
        if not self._capacity:
            return None
        try:
            return self._root.read()
        except (Gone, Garbage, OSError) as error:
            reason = "node_garbage" if isinstance(error, Garbage) else "node_read"
            gauges.errors.labels(reason).inc()
            self._problem = f"the root memory cgroup cannot be read: {error}"
            return None

    def _read_all_pods(self) -> float | None:
        """What pods have left of their common limit, as `memory.available`; None: no limit."""
        folder = self._tree.kubepods
        if self._all_pods is not None and self._all_pods.folder != folder:
            self._all_pods.close()
            self._all_pods = None
        if not folder:
            return None
        group = self._all_pods = self._all_pods or self._tree.group(folder)
        try:
            limit = group.limit()
            if limit is None:
                return None
            return self._thresholds.equivalent(limit, group.read().working_set)
        except Gone:
            return None
        except (Garbage, OSError):
            gauges.errors.labels("all_pods").inc()
            return self._of_pods

    def _read_pods(self) -> dict[str, Reading | None]:
        try:
            folders = self._tree.pods()
        except OSError:
            gauges.errors.labels("pods_list").inc()
            return dict.fromkeys(self._groups)
        for uid in self._groups.keys() - folders.keys():
            self._groups.pop(uid).close()
        found: dict[str, Reading | None] = {}
        for uid, folder in folders.items():
            group = self._groups.get(uid)
            if group is None:
                group = self._groups[uid] = self._tree.group(folder)
            try:
                found[uid] = group.read()
            except Gone:
                self._groups.pop(uid).close()
            except (Garbage, OSError) as error:
                found[uid] = None
                reason = "pod_garbage" if isinstance(error, Garbage) else "pod_read"
                gauges.errors.labels(reason).inc()
        return found

    async def report(self, asked: Asked) -> Report:
        """The report once there is more to tell than `asked.since`, or `asked.wait` is over.

        Raises Refused (503) while there is no sample.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + asked.wait
        while not self._more(asked) and loop.time() < until and not self._closed:
            future: asyncio.Future[None] = loop.create_future()
            self._waiting.add(future)
            try:
                await asyncio.wait_for(future, until - loop.time())
            except TimeoutError:
                break
            finally:
                self._waiting.discard(future)
        with self._lock:
            if self._history.seq < 0:
                raise Refused("NoMemorySample", f"{self._problem}; see the agent's log", status=503)
            return telling.report(
                self._history, self._about, self._capacity, self._thresholds, asked, self._clock()
            )

    def _more(self, asked: Asked) -> bool:
        with self._lock:
            return telling.more(self._history, self._capacity, self._thresholds, asked)

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
