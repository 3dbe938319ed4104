"""What a policy sees and what it answers: nodes, pods, overloads, choices, moves.

Owns the words that detectors, victim rules, target rules and gates share with the controller and
the simulator. Sizes are bytes, times are seconds on one clock that only goes forward, shares are
0..1. It never decides anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

Draw = Callable[[], float]
"""Uniform in [0, 1): the only randomness that a policy may use, passed in by the caller."""


@dataclass(frozen=True, slots=True)
class Series:
    """Samples of one quantity, the oldest first, times strictly rising. May be empty."""

    times: tuple[float, ...] = ()
    values: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.times)

    def since(self, start: float) -> Series:
        """Return the samples at `start` and later."""
        first = next((at for at, time in enumerate(self.times) if time >= start), len(self.times))
        return Series(self.times[first:], self.values[first:])

    def last(self, count: int) -> Series:
        """Return the newest `count` samples, fewer where there are not so many."""
        first = max(0, len(self.times) - count)
        return Series(self.times[first:], self.values[first:])


@dataclass(frozen=True, slots=True)
class MoveCost:
    """What moving a pod now is expected to take, from the fitted model of this cluster [s]."""

    freeze: float
    """The workload stands still for so long (median)."""
    total: float
    """From the command to the memory being free on the source (95th percentile)."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod on a node as its agent saw it last."""

    key: str
    """`namespace/name`; also the last word where two candidates are equal."""
    memory: float
    """Working set [bytes]."""
    history: Series = Series()
    """Working set, sampled [bytes]."""
    request: float = 0.0
    limit: float | None = None
    priority: int = 0
    started: float = 0.0
    """When its progress began; a kill loses what was done since [s]."""
    value: float = 1.0
    """Worth of one second of its progress beside others' (1: as any)."""
    cost: MoveCost = MoveCost(0.0, 0.0)
    moves: int = 0
    """How often it was moved already."""
    cpu: float = 0.0
    """Request [cores]."""
    blocked: str = ""
    """Why it cannot be moved at all; empty: it can."""


@dataclass(frozen=True, slots=True)
class Pressure:
    """Pressure stall information of a node's memory, `some` [% of time]."""

    avg10: float
    avg60: float


@dataclass(frozen=True, slots=True)
class Node:
    """A node as its agent saw it last."""

    name: str
    capacity: float
    """What is counted against: the node's memory [bytes]."""
    used: float
    """capacity - `memory.available` as kubelet's eviction manager computes it [bytes]."""
    history: Series = Series()
    """`used`, sampled [bytes]."""
    pods: tuple[Pod, ...] = ()
    eviction: float = 0.0
    """kubelet's hard threshold for `memory.available` [bytes]."""
    allocatable: float | None = None
    """What requests may sum up to; None: the capacity [bytes]."""
    cpu: float = float("inf")
    """Allocatable cores."""
    pod_slots: int = 110
    schedulable: bool = True
    """False: cordoned, or tainted for new pods."""
    known: bool = True
    """False: its agent is silent, so nothing disruptive may be decided about it."""
    incoming: float = 0.0
    """Booked by moves under way to it [bytes]."""
    outgoing: float = 0.0
    """Will be freed by moves under way from it [bytes]."""
    pressure: Pressure | None = None
    """None: no cgroup v2, so nobody knows."""

    @property
    def free(self) -> float:
        """Memory that is available now [bytes]; negative where it is over."""
        return self.capacity - self.used

    @property
    def requested(self) -> float:
        """Sum of the requests of its pods [bytes]."""
        return sum(pod.request for pod in self.pods)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a decision may look at."""

    now: float
    nodes: tuple[Node, ...]

    def node(self, name: str) -> Node:
        """Return the node of that name.

        Raises:
            KeyError: no such node.
        """
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Overload:
    """A node that needs help, and how much."""

    node: str
    need: float
    """To be freed there [bytes]; 0: the rule does not say how much."""
    exhausted_in: float | None
    """Until `free` reaches the eviction threshold at this pace [s]; None: not foreseen."""
    why: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One pod or node that a rule looked at: what `podferry plan` shows."""

    key: str
    score: float | None
    """Higher is better within one rule; None: not scored."""
    why: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Pods to move, the first one first; empty with the reason."""

    pods: tuple[str, ...]
    why: str
    considered: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one pod goes; `node` is empty if nobody can take it."""

    node: str
    why: str
    shortfall: float = 0.0
    """What the best node lacks [bytes]; 0 where one was found."""
    considered: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """Move this pod there, not before `start`."""

    pod: str
    source: str
    target: str
    memory: float
    """Of the pod when it was decided [bytes]."""
    start: float
    why: str


@dataclass(frozen=True, slots=True)
class Move:
    """A move that was begun: the memory of the gates."""

    pod: str
    source: str
    target: str
    begun: float
    ended: float | None = None
    """None: under way."""
    succeeded: bool = True
    expected_end: float | None = None
    """When it should be over, as foreseen when it was begun [s]; None: nobody said."""
    queued: bool = False
    """True: decided in the decision that is being made, handed to nobody yet."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate says of one command."""

    allowed: bool
    why: str
    start: float | None = None
    """Allowed, but not before; None: as asked [s]."""
    until: float | None = None
    """Refused at least so long; None: unknown [s]."""


class Detector(Protocol):
    """Says whether a node needs help."""

    def detect(self, node: Node, snapshot: Snapshot) -> Overload | None:
        """Return the overload, None if the node is fine or too little is known."""
        ...


class Victims(Protocol):
    """Says which pods relieve a node."""

    def choose(self, node: Node, overload: Overload, snapshot: Snapshot, draw: Draw) -> Choice:
        """Return pods of `node` to move; never one that is `blocked`."""
        ...


class Targets(Protocol):
    """Says who takes a pod."""

    def place(self, pod: Pod, node: Node, snapshot: Snapshot) -> Placement:
        """Return a node other than `node`, schedulable and known."""
        ...


class Gate(Protocol):
    """Says whether one more move may begin."""

    def check(self, command: Command, moves: tuple[Move, ...], snapshot: Snapshot) -> Verdict:
        """Judge a command beside the moves that were begun before it, decided ones included."""
        ...


@runtime_checkable
class NodeGate(Gate, Protocol):
    """A gate that can refuse all moves from a node before a pod is chosen."""

    def holds(self, source: str, moves: tuple[Move, ...], snapshot: Snapshot) -> Verdict | None:
        """Return the refusal that `check` would give any pod of that node; None: it depends."""
        ...


@runtime_checkable
class SourceGate(Gate, Protocol):
    """A gate that can refuse a move wherever the pod would go, before a place is looked for."""

    def refuses(self, source: str, moves: tuple[Move, ...]) -> Verdict | None:
        """Return the refusal that `check` would give any pod of that node; None: it depends."""
        ...


class Cordoner(Protocol):
    """Says whether a node takes new pods."""

    def cordon(self, node: Node) -> bool:
        """Return whether the node should be cordoned; `node.schedulable` is what it is now."""
        ...


@dataclass(frozen=True, slots=True)
class Policy:
    """One whole policy: a rule of each kind."""

    detector: Detector
    victims: Victims
    targets: Targets
    gates: tuple[Gate, ...] = ()
    cordoner: Cordoner | None = None
    period: float = 15.0
    """Between two decisions [s]."""
    moves_at_once: int = 0
    """Commands of one decision at most; 0: no limit. The seed's demo setting is 1."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What one look at the cluster led to, with every reason on the way."""

    commands: tuple[Command, ...] = ()
    overloads: tuple[Overload, ...] = ()
    choices: Mapping[str, Choice] = field(default_factory=dict)
    """By node."""
    placements: Mapping[str, Placement] = field(default_factory=dict)
    """By pod."""
    refused: tuple[tuple[Command, Verdict], ...] = ()
    """Commands that a gate held back."""
    waiting: Mapping[str, Verdict] = field(default_factory=dict)
    """By node: what held back its relief before a pod was chosen."""
    cordons: Mapping[str, bool] = field(default_factory=dict)
    """Nodes whose cordon should change, and to what."""
