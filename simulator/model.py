"""What a simulation is made of: the trace, the cluster, how moves behave, and what came out.

Owns the words that traces, engine, sweeps and reports share. Sizes are bytes, times are seconds
from the start of the trace. It computes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from podferry.policies.vocabulary import Policy

GIB = float(2**30)


class Strategy(StrEnum):
    """How a pod is moved."""

    CONTAINER = "container"
    """Frozen for the whole copy (StopAndCopy), or until the resume (PostCopy)."""
    VIRTUAL_MACHINE = "virtual-machine"
    """Pre-copy: runs on while it is copied; a short stop at the end; may not converge."""
    COLD_RESTART = "cold-restart"
    """Ended and started anew: its progress is lost."""


@dataclass(frozen=True, slots=True)
class TracePod:
    """One pod of a trace."""

    name: str
    arrival: float
    times: tuple[float, ...]
    """Of the samples, from the pod's own start, rising, the first 0 [s]."""
    memory: tuple[float, ...]
    """Working set at each of `times` [bytes]."""
    lifetime: float
    """From its start to its end if it is never disturbed [s]."""
    request: float
    """As the trace has it, before any factor [bytes]."""
    limit: float | None = None
    cpu: float = 0.0
    """Request [cores]."""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Trace:
    """Pods in the order of their arrival."""

    name: str
    pods: tuple[TracePod, ...]
    step: float
    """Between two samples of the original [s]."""
    source: str = ""
    """Attribution and terms, for the report."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Equal nodes, and what their kubelets are told."""

    nodes: int
    node_memory: float = 450 * GIB
    node_cpu: float = 120.0
    pod_slots: int = 1000
    eviction: float = 100 * 2.0**20
    """kubelet's hard threshold for memory.available [bytes]."""
    reserved: float = 0.0
    """kube-reserved and system-reserved [bytes]."""
    request_factor: float = 1.0
    """Requests of the trace times this are what the scheduler and kubelet see; 0: none."""
    spread: bool = True
    """True: the scheduler prefers the node with the least requested; False: the most."""
    kills: bool = True
    """False: neither kubelet nor kernel ever acts, as in the seed's simulator."""


@dataclass(frozen=True, slots=True)
class MoveModel:
    """How long a move takes: seconds + per_gib * GiB, in quantiles, and how it fails."""

    strategy: Strategy = Strategy.CONTAINER
    seconds: float = 0.4
    """Freeze of a pod of no size, median [s]."""
    per_gib: float = 1.8
    """Further freeze [s/GiB], median."""
    p95_of_p50: float = 1.15
    """How far the 95th percentile lies above the median; 1: always the median."""
    prepare: float = 1.0
    """From the command to the freeze [s]."""
    post_copy: bool = False
    """The freeze ends after `seconds`; the memory follows while the pod runs."""
    failures: float = 0.0
    """Share of moves that end where they began, after the whole freeze."""
    streams_per_link: int = 1
    """Moves that one node can send or receive at once; further ones wait."""
    dirty_rate: float = 0.0
    """Of a virtual machine [bytes/s]; it converges only below the link's rate."""
    downtime: float = 0.5
    """Stop at the end of a pre-copy [s]."""
    progress_timeout: float = 150.0
    """A pre-copy that does not converge is given up so long after its first pass (KubeVirt) [s]."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One cell: everything but the seed."""

    trace: Trace
    cluster: Cluster
    policy: Policy | None = None
    """None: nothing is moved."""
    moves: MoveModel = MoveModel()
    sampling: float = 15.0
    """Between two samples that the policy sees [s]."""
    window: float = 300.0
    """How much history the policy sees [s]."""
    noise: float = 0.0
    """Relative standard deviation of what is sampled."""
    linear: bool = True
    """Memory between two samples: a line; False: a step."""
    restart_delay: float = 10.0
    """From a kill to the new start, beside the wait for room [s]."""
    horizon: float = 0.0
    """End of the simulated time [s]; 0: twice the trace's own, and an hour."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one run of one seed led to."""

    seed: int
    evictions: int = 0
    """By kubelet."""
    oom_kills: int = 0
    over_capacity: bool = False
    """Some node held more than its memory at some time: the seed's failure."""
    migrations: int = 0
    failed_migrations: int = 0
    freeze_seconds: float = 0.0
    lost_pod_seconds: float = 0.0
    """Progress that kills and cold restarts threw away."""
    queued_pod_seconds: float = 0.0
    """Pods waited for a node."""
    no_room: int = 0
    """A move was wanted and no node could take the pod."""
    mean_utilisation: float = 0.0
    """Used of the memory of all nodes, mean over the run [0..1]."""
    peak_utilisation: float = 0.0
    """Of the fullest node [0..1]."""
    end: float = 0.0
    """When the last pod was done [s]."""
    unfinished: int = 0
    """Pods that were not done at the end of the simulated time."""
    events: tuple[tuple[float, str, str, str], ...] = field(default=())
    """(time, what, pod, node), where the caller asked for them."""

    @property
    def failed(self) -> bool:
        """Whether any pod lost its progress to a full node."""
        return self.evictions + self.oom_kills > 0
