"""What an agent reports of its node's memory. See docs/reference/memory-report.md.

GET /v1/memory?since=SEQ&wait=S&soft=PERCENT&horizon=S&history=S  -> Report       controller only

The agent answers at once if it has more to tell than the caller knows, else when something changes
or `wait` is over. More to tell is: a change of `used` by CHANGE_SHARE of the capacity, a pod that
came or went, the node entering or leaving `urgent`, and, while urgent, every new sample.
Owns the names and the checks of shape; whether a number is believed is the controller's matter.
Times are ages [s] by the agent's monotonic clock, so that a wall clock that jumps changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MEMORY = "/v1/memory"
MAX_WAIT_SECONDS = 60.0
CHANGE_SHARE = 0.01
"""Of the capacity: a smaller change of `used` is not told before `wait` is over."""
MAX_PODS = 1000
MAX_SAMPLES = 3600
MAX_BYTES = 1 << 50
"""No node has a PiB of memory: more is nonsense."""
MAX_SEQ = 1 << 63
Samples = tuple[tuple[float, float], ...]
"""(age [s], bytes), the oldest first: ages fall."""


class BadReport(ValueError):
    """The report has not its shape; the text names the field."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the controller wants to know; the query of the request."""

    since: int = -1
    """`seq` of the last report; -1: none."""
    wait: float = 0.0
    soft: float = 50.0
    """Urgent below so much available memory [% of the capacity]; 100: always."""
    horizon: float = 600.0
    """Urgent too if the eviction threshold is reached sooner at the present slope [s]."""
    history: float = 120.0
    """Samples of an urgent node reach back so far, or to `since` [s]."""

    def query(self) -> dict[str, str]:
        """As the parameters of a request."""
        return {
            "since": str(self.since),
            "wait": f"{self.wait:g}",
            "soft": f"{self.soft:g}",
            "horizon": f"{self.horizon:g}",
            "history": f"{self.history:g}",
        }

    @staticmethod
    def from_query(raw: Any) -> Asked:
        """Parse a mapping of texts. Raises BadReport naming the parameter."""
        plain = Asked()
        try:
            since = int(raw.get("since", plain.since))
        except ValueError as error:
            raise BadReport(f"since={raw.get('since')!r} is not a whole number") from error
        found = {}
        limits = {"wait": MAX_WAIT_SECONDS, "soft": 100.0, "horizon": 86400.0, "history": 86400.0}
        for name, most in limits.items():
            text = raw.get(name, getattr(plain, name))
            try:
                value = float(text)
            except ValueError:
                value = -1.0
            if not 0 <= value <= most:
                raise BadReport(f"{name}={text!r} is not between 0 and {most:g}")
            found[name] = value
        return Asked(since=since, **found)


@dataclass(frozen=True, slots=True)
class PodMemory:
    """One pod as the cgroup files have it [bytes]."""

    uid: str
    working_set: float
    rss: float
    slope: float = 0.0
    """Of the working set over the last SLOPE_SECONDS of the agent [bytes/s]."""
    age: float = 0.0
    """Since its cgroup was made, as far as the agent knows [s]."""
    pressure: tuple[float, float] | None = None
    """PSI `some` avg10 and avg60 [%]; None: no cgroup v2."""
    samples: Samples = ()
    """Working set; empty while the node is not urgent."""


@dataclass(frozen=True, slots=True)
class Report:
    """A node's memory; sizes are bytes."""

    node: str
    boot_id: str
    seq: int
    """Of the newest sample; rises by one a sample, starts anew with the agent (`started`)."""
    started: float
    """Unix time at which this agent began; another value: `seq` began anew."""
    age: float
    """Of the newest sample when the answer was made [s]."""
    interval: float
    """Between two samples [s]."""
    capacity: float
    available: float
    """`memory.available` as kubelet's eviction manager computes it, or what all pods together have
    left of their own limit (`allocatableMemory.available`), where that is nearer to eviction."""
    eviction: float
    """kubelet's hard threshold for it, from the node's own configuration."""
    eviction_source: str
    """Where that was read: a file, `default`, or `unknown: why`."""
    urgent: bool
    why: str = ""
    """Why it is urgent, in words with numbers."""
    eviction_soft: float | None = None
    slope: float = 0.0
    """Of `capacity - available` [bytes/s]."""
    pressure: tuple[float, float] | None = None
    samples: Samples = ()
    """`capacity - available`; since `Asked.since` if the node is urgent, else the newest only."""
    pods: tuple[PodMemory, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON object as sent over the wire."""
        return {
            "node": self.node,
            "bootID": self.boot_id,
            "seq": self.seq,
            "started": self.started,
            "age": round(self.age, 3),
            "interval": self.interval,
            "capacity": self.capacity,
            "available": self.available,
            "eviction": self.eviction,
            "evictionSource": self.eviction_source,
            "evictionSoft": self.eviction_soft,
            "urgent": self.urgent,
            "why": self.why,
            "slope": round(self.slope, 1),
            "pressure": self.pressure,
            "samples": [[round(age, 3), value] for age, value in self.samples],
            "pods": [_pod_to_dict(pod) for pod in self.pods],
        }

    @staticmethod
    def from_dict(raw: Any) -> Report:
        """Parse and check a report. Raises BadReport naming the field."""
        if not isinstance(raw, dict):
            raise BadReport(f"a report is an object, this is {type(raw).__name__}")
        seq, pods = raw.get("seq"), raw.get("pods")
        if not isinstance(seq, int) or isinstance(seq, bool) or not 0 <= seq < MAX_SEQ:
            raise BadReport(f"seq is {_shown(seq)}, not a whole number from 0")
        if not isinstance(pods, list) or len(pods) > MAX_PODS:
            raise BadReport(f"pods is not a list of at most {MAX_PODS}")
        soft = raw.get("evictionSoft")
        return Report(
            node=_text(raw, "node"),
            boot_id=_text(raw, "bootID"),
            seq=seq,
            started=_number(raw, "started", 0, 1e12),
            age=_number(raw, "age", 0, 1e6),
            interval=_number(raw, "interval", 0.01, 3600),
            capacity=_number(raw, "capacity", 1, MAX_BYTES),
            available=_number(raw, "available", -MAX_BYTES, MAX_BYTES),
            eviction=_number(raw, "eviction", 0, MAX_BYTES),
            eviction_source=_text(raw, "evictionSource"),
            urgent=raw.get("urgent") is True,
            why=_text(raw, "why"),
            eviction_soft=None if soft is None else _number(raw, "evictionSoft", 0, MAX_BYTES),
            slope=_number(raw, "slope", -MAX_BYTES, MAX_BYTES),
            pressure=_pressure(raw),
            samples=_samples(raw),
            pods=tuple(_pod(pod) for pod in pods),
        )


def _pod_to_dict(pod: PodMemory) -> dict[str, Any]:
    return {
        "uid": pod.uid,
        "workingSet": pod.working_set,
        "rss": pod.rss,
        "slope": round(pod.slope, 1),
        "age": round(pod.age, 1),
        "pressure": pod.pressure,
        "samples": [[round(age, 3), value] for age, value in pod.samples],
    }


def _pod(raw: Any) -> PodMemory:
    if not isinstance(raw, dict):
        raise BadReport("a pod is not an object")
    return PodMemory(
        uid=_text(raw, "uid"),
        working_set=_number(raw, "workingSet", 0, MAX_BYTES),
        rss=_number(raw, "rss", 0, MAX_BYTES),
        slope=_number(raw, "slope", -MAX_BYTES, MAX_BYTES),
        age=_number(raw, "age", 0, 1e12),
        pressure=_pressure(raw),
        samples=_samples(raw),
    )


def _text(raw: dict[str, Any], name: str) -> str:
    """A text that can be shown on a terminal: what moves a cursor there is a space here."""
    value = raw.get(name)
    if not isinstance(value, str) or len(value) > 1000:
        raise BadReport(f"{name} is {_shown(value)}, not a short text")
    return "".join(letter if letter.isprintable() else " " for letter in value)


def _number(raw: dict[str, Any], name: str, least: float, most: float) -> float:
    return _checked(raw.get(name), name, least, most)


def _checked(value: Any, name: str, least: float, most: float) -> float:
    """NaN and infinities are numbers to JSON parsers, not to us; no comparison of NaN is true."""
    known = isinstance(value, int | float) and not isinstance(value, bool)
    if not known or not least <= value <= most:
        raise BadReport(f"{name} is {_shown(value)}, not a number from {least:g} to {most:g}")
    return float(value)


def _shown(value: Any) -> str:
    """A foreign value for a message; not every one has a text (a number of 5000 digits)."""
    if isinstance(value, str):
        return repr(value[:50])
    if value is None or isinstance(value, bool | float):
        return repr(value)
    if isinstance(value, int):
        return str(value) if abs(value) < MAX_SEQ else "a number beyond 63 bits"
    return f"a {type(value).__name__}"


def _pressure(raw: dict[str, Any]) -> tuple[float, float] | None:
    value = raw.get("pressure")
    if value is None:
        return None
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise BadReport("pressure is not a pair of avg10 and avg60")
    return _checked(value[0], "pressure", 0, 100), _checked(value[1], "pressure", 0, 100)


def _samples(raw: dict[str, Any]) -> Samples:
    value = raw.get("samples")
    if not isinstance(value, list) or len(value) > MAX_SAMPLES:
        raise BadReport(f"samples is not a list of at most {MAX_SAMPLES}")
    found: list[tuple[float, float]] = []
    for pair in value:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise BadReport("a sample is not a pair of age and bytes")
        age = _checked(pair[0], "age of a sample", 0, 1e6)
        if found and age >= found[-1][0]:
            raise BadReport(f"ages of samples do not fall: {age:g} s after {found[-1][0]:g} s")
        found.append((age, _checked(pair[1], "sample", -MAX_BYTES, MAX_BYTES)))
    return tuple(found)
