"""A move has two pods for a while; a quota that has no room for the second refuses it at once."""

from __future__ import annotations

from typing import Any

import pytest

from podferry.api.reasons import Reason
from podferry.strategies.container.quota_checks import check_quotas
from tests.unit.strategies.container import samples


def quota(hard: dict[str, str], used: dict[str, str], **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "tight"},
        "spec": {"hard": hard, **spec},
        "status": {"hard": hard, "used": used},
    }


@pytest.mark.parametrize(
    ("resource", "limit", "used", "words"),
    [
        (
            "pods",
            "1",
            "1",
            "pods is used 1 of 1, the second pod counts 1; raise pods of tight by 1",
        ),
        ("count/pods", "2", "2", "count/pods is used 2 of 2"),
        (
            "requests.memory",
            "1Gi",
            "768Mi",
            "counts 512Mi; raise requests.memory of tight by 256Mi",
        ),
        ("memory", "1Gi", "768Mi", "memory is used 768Mi of 1Gi"),
        ("requests.cpu", "1500m", "1", "counts 1; raise requests.cpu of tight by 0.5"),
    ],
)
def test_no_room_is_told_with_the_numbers(resource: str, limit: str, used: str, words: str) -> None:
    (finding,) = check_quotas(samples.pod(), (quota({resource: limit}, {resource: used}),))
    assert finding.reason is Reason.QUOTA_EXCEEDED
    assert words in finding.message


@pytest.mark.parametrize(
    ("resource", "limit", "used"),
    [
        ("pods", "2", "1"),
        ("requests.memory", "1Gi", "512Mi"),
        ("limits.memory", "1Gi", "1Gi"),  # it has no limit, so it counts for none
        ("count/secrets", "1", "1"),
        ("services", "1", "1"),
    ],
)
def test_room_or_another_resource_refuses_nothing(resource: str, limit: str, used: str) -> None:
    assert check_quotas(samples.pod(), (quota({resource: limit}, {resource: used}),)) == []


@pytest.mark.parametrize(
    ("spec", "covers"),
    [
        ({"scopes": ["NotTerminating"]}, True),
        ({"scopes": ["Terminating"]}, False),
        ({"scopes": ["BestEffort"]}, False),
        ({"scopes": ["NotBestEffort", "NotTerminating"]}, True),
        ({"scopes": ["SomethingNew"]}, False),
        ({"scopeSelector": {"matchExpressions": [
            {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]}}, False),
    ],
)  # fmt: skip
def test_only_a_quota_that_covers_the_pod_counts(spec: dict[str, Any], covers: bool) -> None:
    found = check_quotas(samples.pod(), (quota({"pods": "1"}, {"pods": "1"}, **spec),))
    assert bool(found) is covers
    if not covers and "scopeSelector" in spec:
        full = quota({"pods": "1"}, {"pods": "1"}, **spec)
        assert check_quotas(samples.pod(priorityClassName="high"), (full,)) != []
