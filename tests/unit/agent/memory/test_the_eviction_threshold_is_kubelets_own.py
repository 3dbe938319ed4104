"""Which threshold is in effect for what a kubelet was told, as its own sources merge it."""

from __future__ import annotations

from typing import Any

import pytest

from podferry.agent.memory import thresholds
from podferry.agent.memory.thresholds import Settings

MIB = 1 << 20
CAPACITY = 3072 * MIB
FILE = "/etc/kubelet.yaml"
DROP = "/etc/kubelet.d/10.conf"
NOTHING = f"{FILE} (no memory.available in evictionHard: kubelet evicts at none)"


def hard(**other: Any) -> dict[str, Any]:
    """A file's evictionHard; `available` is its memory.available."""
    found = {"nodefs.available": "10%"}
    if "available" in other:
        found["memory.available"] = other.pop("available")
    return {"evictionHard": found, **other}


def file(body: dict[str, Any], *drop_ins: dict[str, Any], **flags: str) -> Settings:
    return Settings(
        config=(FILE, body),
        drop_ins=[(DROP, each) for each in drop_ins],
        flags={f"eviction-{name}": thresholds.flag_map([text]) for name, text in flags.items()},
    )


@pytest.mark.parametrize(
    ("settings", "mebibytes", "source"),
    [
        (Settings(), 100, "default"),
        (file({}), 100, "default"),
        (file({"evictionHard": None}), 100, "default"),
        (file(hard(available="200Mi")), 200, FILE),
        (file(hard(available="0.5Gi")), 512, FILE),
        (file(hard(available="12.5%")), 384, FILE),
        (file(hard(available="0%")), 0, NOTHING),
        (file(hard(available="100%")), 0, NOTHING),
        (file(hard()), 0, NOTHING),
        (file({"evictionHard": {}}), 0, NOTHING),
        (file(hard(mergeDefaultEvictionSettings=True)), 100, "default"),
        (file(hard(available="1Gi", mergeDefaultEvictionSettings=True)), 1024, FILE),
        (file({}, hard(available="300Mi")), 300, DROP),
        (file({}, hard()), 100, "default"),
        (file(hard(available="200Mi"), hard()), 200, FILE),
        (file(hard(available="200Mi"), hard(available="1Gi"), hard(available="2Gi")), 2048, DROP),
        (file(hard(available="200Mi"), {"evictionHard": {"memory.available": None}}), 0, None),
        (file(hard(available="200Mi"), {"evictionHard": None}), 0, None),
        (file(hard(available="200Mi"), {"maxPods": 50}), 200, FILE),
        (
            file(hard(available="200Mi"), hard(available="1Gi"), hard="memory.available<64Mi"),
            64,
            "--eviction-hard of kubelet",
        ),
        (file(hard(available="200Mi"), hard="nodefs.available<5%"), 0, None),
    ],
)
def test_the_hard_threshold(settings: Settings, mebibytes: int, source: str | None) -> None:
    found = thresholds.of(settings, CAPACITY)
    assert found.hard == mebibytes * MIB
    assert source in (found.source, None)
    assert found.soft is None


@pytest.mark.parametrize(
    ("settings", "mebibytes"),
    [
        (file({"evictionSoft": {"memory.available": "500Mi"}}), 500),
        (file({"evictionSoft": {"memory.available": "25%"}}), 768),
        (file({"evictionSoft": {"nodefs.available": "25%"}}), None),
        (file({}, soft="memory.available<1Gi,nodefs.available<20%"), 1024),
    ],
)
def test_the_soft_threshold(settings: Settings, mebibytes: int | None) -> None:
    found = thresholds.of(settings, CAPACITY)
    assert found.soft == (None if mebibytes is None else mebibytes * MIB)
    assert found.hard == 100 * MIB


def test_a_share_is_rounded_as_kubelet_rounds_it() -> None:
    # Go: int64(float64(64 << 30) * float64(float32(7) / 100)); with 0.07 it would be 4810363371
    found = thresholds.of(file(hard(available="7%")), 64 << 30)
    assert found.hard == 4810363392


@pytest.mark.parametrize("value", ["much", "-5%", "101%", "1e99%", "nan%", "-1Mi", [], {}])
def test_nonsense_is_named(value: Any) -> None:
    with pytest.raises(ValueError, match=r"size|memory\.available"):
        thresholds.of(file(hard(available=value)), CAPACITY)


def test_what_is_not_known_is_said_beside_the_default() -> None:
    found = thresholds.unknown("x" * 5000, CAPACITY)
    assert (found.hard, found.source[:12]) == (100 * MIB, "unknown: xxx")
    assert len(found.source) < 1000  # what a report may carry


@pytest.mark.parametrize("text", ["memory.available=100Mi", "memory.available"])
def test_a_flag_that_is_no_threshold_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not SIGNAL<VALUE"):
        thresholds.flag_map([text])
