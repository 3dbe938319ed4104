"""What a protocol number means is written down here; see docs/decisions/0009.

A change of the words below needs a new number, and code that still understands the one before.
"""

from __future__ import annotations

from typing import Any

import pytest

from podferry.wire import agent_api, layout, stages
from podferry.wire.stages import Observed, Order, Progress, Role, Verdict

Words = dict[str, list[str]]

RECORDED: dict[int, Words] = {
    1: {
        "source": ["Prepared", "Frozen", "Sealed", "Redirected", "Released", "Thawed"],
        "target": ["Prepared", "Rehearsed", "Resumed", "Disarmed", "Aborted", "Forgotten"],
        "verdicts": ["Undecided", "Committed", "RolledBack"],
        "progress": ["Working", "Reached", "Failed"],
        "paths": ["/v1/node", "/v1/probe", "/v1/attempts/u/1/source", "/v1/attempts/u/1/files/k/n"],
        "headers": ["Podferry-Time", "Podferry-Seal"],
        "folders": ["ram"],
    }
}
ORDER: dict[str, Any] = {
    "migration": "u", "attempt": 1, "role": "source", "stage": "Frozen", "verdict": "Undecided",
    "freezeEpoch": 1, "params": {"pod": "w", "copy": "StopAndCopy", "sameName": False},
}  # fmt: skip
OBSERVED: dict[str, Any] = {
    "migration": "u", "attempt": 1, "role": "source", "stage": "Prepared", "wanted": "Frozen",
    "progress": "Working", "error": None, "facts": {"frozenAt": 1.5},
}  # fmt: skip


def spoken() -> Words:
    return {
        "source": [item.value for item in stages.SourceStage],
        "target": [item.value for item in stages.TargetStage],
        "verdicts": [item.value for item in Verdict],
        "progress": [item.value for item in Progress],
        "paths": [agent_api.NODE, agent_api.PROBE, agent_api.attempt("u", 1, "source"),
                  agent_api.files("u", 1, "k", "n")],
        "headers": [agent_api.TIME_HEADER, agent_api.SEAL],
        "folders": [layout.RAM],
    }  # fmt: skip


def test_the_words_are_those_of_the_protocol_number() -> None:
    assert spoken() == RECORDED[agent_api.PROTOCOL], "raise PROTOCOL, record the new words here"


def test_the_protocol_before_is_still_spoken() -> None:
    assert 1 <= agent_api.PROTOCOL_OLDEST <= max(1, agent_api.PROTOCOL - 1)
    for number in range(agent_api.PROTOCOL_OLDEST, agent_api.PROTOCOL + 1):
        for kind, words in RECORDED[number].items():
            assert set(words) <= set(spoken()[kind]), (number, kind)


@pytest.mark.parametrize("more", [{}, {"ofALaterRelease": {"a": 1}}])
def test_an_order_and_an_answer_of_protocol_1_are_read(more: dict[str, Any]) -> None:
    order = Order.from_dict({**ORDER, **more})
    assert order.to_dict() == ORDER
    assert (order.role, order.freeze_epoch) == (Role.SOURCE, 1)
    assert Observed.from_dict({**OBSERVED, **more}).to_dict() == OBSERVED
