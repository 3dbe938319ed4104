"""A policy as a person writes it: read, checked, or refused with what to write instead."""

from __future__ import annotations

import pytest

from podferry.api.errors import PreconditionError
from podferry.api.reasons import Reason
from podferry.policies.detectors.pressure import PressureGate
from podferry.policies.detectors.seed import Slope, Threshold
from podferry.policies.gates.limits import Budgets
from podferry.policies.gates.seed import Blocking
from podferry.policies.history import history_needed
from podferry.policies.presets import PRESETS
from podferry.policies.registry import TABLES, build, policy_from
from podferry.policies.targets.seed import LeastUsed
from podferry.policies.victims.seed import BigEnough, Largest
from podferry.policies.words import GIB

PLAIN = {
    "detector": {"name": "threshold"},
    "victim": {"name": "big-enough"},
    "target": {"name": "least-used"},
}


def refused(call, *args):
    with pytest.raises(PreconditionError) as caught:
        call(*args)
    assert caught.value.reason == Reason.INVALID_SPEC
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("kind", sorted(TABLES))
def test_every_plug_in_is_built_from_its_name_alone(kind):
    for name, plug in TABLES[kind].items():
        assert build(kind, {"name": name}) == plug()


def test_arguments_take_units_and_other_plug_ins():
    spec = {"name": "slope", "args": {"lookAhead": "5m", "window": "90s", "freePercent": 25}}
    assert build("detector", spec) == Slope(25.0, 300.0, 90.0)
    spec = {"name": "steepest-slope", "args": {"minSlope": "512Mi"}}
    assert build("victim", spec).min_slope == GIB / 2
    largest = {"name": "largest", "args": {"onlyIfEnough": False}}
    spec = {"name": "big-enough", "args": {"otherwise": largest}}
    assert build("victim", spec) == BigEnough(Largest(False))
    spec = {"name": "pressure-gate", "args": {"detector": {"name": "slope"}, "percent": 5}}
    assert build("detector", spec) == PressureGate(Slope(), 5.0)
    spec = {"name": "budgets", "args": {"nodeOut": 1, "span": 60}}
    assert build("gate", spec) == Budgets(node_out=1, span=60.0)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("threshold", "detector is 'threshold'; write name: PLUG-IN and, if need be, args: {...}"),
        ({"name": "treshold"}, "no detector is called 'treshold'; known are holt, iqr, k-of-n,"),
        ({"name": "slope", "freePercent": 3}, "no key is called 'freePercent'; known are name, a"),
        ({"name": "slope", "args": {"free": 3}}, "no argument is called 'free'; known are freePe"),
        ({"name": "slope", "args": {"free_percent": 3}}, "no argument is called 'free_percent'"),
        ({"name": "slope", "args": []}, "detector.args is []; write one argument a line, such as"),
        ({"name": "slope", "args": {"freePercent": 120}}, "freePercent is 120 %; give 0.1 to 100"),
        ({"name": "slope", "args": {"freePercent": "30"}}, "is '30'; give a number [%], 0.1 to 1"),
        ({"name": "slope", "args": {"freePercent": True}}, "is True; give a number [%]"),
        ({"name": "slope", "args": {"freePercent": float("nan")}}, "is nan; give a number [%]"),
        ({"name": "slope", "args": {"lookAhead": "5"}}, "has no unit; write 5s"),
        ({"name": "slope", "args": {"lookAhead": 0}}, "lookAhead is 0 s; give 1 to 86400 s"),
        ({"name": "mad", "args": {"samples": 20.5}}, "samples is 20.5; give a whole number, 1 to"),
        ({"name": "mad", "args": {"minSamples": 40}}, "minSamples 40 is above samples 30, so the"),
        ({"name": "k-of-n", "args": {"exceeding": 6}}, "exceeding 6 is above samples 5"),
        ({"name": "pressure-gate", "args": {"whenUnknown": "go"}}, "is 'go'; known are pass, hol"),
        ({"name": "pressure-gate", "args": {"detector": {"name": "x"}}}, "no detector is called "),
    ],
)
def test_a_wrong_plug_in_is_refused_with_what_to_write(spec, message):
    assert message in refused(build, "detector", spec)


def test_a_wrong_flag_and_a_wrong_size_are_refused():
    said = refused(build, "victim", {"name": "largest", "args": {"onlyIfEnough": "no"}})
    assert said == "victim largest: onlyIfEnough is 'no'; write true or false"
    said = refused(build, "victim", {"name": "knapsack", "args": {"minSize": "5 apples"}})
    assert said.startswith(
        'victim knapsack: minSize: size "5 apples" cannot be read; write a numbe'
    )


def test_a_policy_is_read_whole():
    policy = policy_from(
        {**PLAIN, "gates": [{"name": "blocking"}], "period": "10s", "movesAtOnce": 1}
    )
    assert policy.detector == Threshold(30.0)
    assert policy.gates == (Blocking(30.0),)
    assert (policy.period, policy.moves_at_once, policy.cordoner) == (10.0, 1, None)


def test_a_target_rule_takes_the_threshold_of_the_detector():
    policy = policy_from({**PLAIN, "detector": {"name": "threshold", "args": {"freePercent": 40}}})
    assert policy.targets == LeastUsed(40.0, 5.0)
    wrapped = {"name": "slope", "args": {"freePercent": 20}}
    gated = {"name": "pressure-gate", "args": {"detector": wrapped}}
    assert policy_from({**PLAIN, "detector": gated}).targets == LeastUsed(20.0, 5.0)


def target(**args):
    return {"target": {"name": "least-used", "args": args}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"victims": {}}, "policy: no key is called 'victims'; known are detector, victim, target"),
        ({"gates": {"name": "blocking"}}, "gates is {'name': 'blocking'}; write a list"),
        ({"gates": [{"name": "blocking"}, {"name": "x"}]}, "gates[1]: no gate is called 'x'; kno"),
        ({"gates": [{"name": "blocking"}] * 2}, "gates[1]: Blocking is named twice"),
        ({"gates": [{"name": "blocking"}, {"name": "concurrent"}]}, "concurrent never has two to"),
        (target(freePercent=97), "leave no memory to use (102 % must stay free); no node can"),
        (target(freePercent=20), "down to 25 % free, but the detector relieves a node below 30 %"),
        ({"cordon": {"name": "free-memory", "args": {"freePercent": 90}}}, "again at 105 % free"),
        ({"cordon": {"name": "free-memory", "args": {"freePercent": 0}}}, "never acts, kubelet"),
        ({"gates": [{"name": "cool-down", "args": {"base": "7h"}}]}, "base 25200 is above cap 21"),
        ({"period": 0}, "policy: period is 0 s; give 1 to 3600 s"),
        ({"movesAtOnce": 1.5}, "policy: movesAtOnce is 1.5; give a whole number"),
    ],
)
def test_a_policy_that_contradicts_itself_is_refused_with_both_numbers(change, message):
    assert message in refused(policy_from, {**PLAIN, **change})


def test_a_missing_part_is_named_with_its_plug_ins():
    said = refused(policy_from, {"detector": {"name": "threshold"}})
    assert said.startswith("policy has no victim; add victim: {name: ...}, one of big-enough, ")
    assert refused(policy_from, None).startswith("a policy is a mapping with detector, victim")


class Oracle:
    """Stands in for a plug-in of the caller."""


def test_a_caller_may_bring_plug_ins_of_its_own():
    import dataclasses

    oracle = dataclasses.dataclass(frozen=True)(Oracle)
    extra = {"victim": {"oracle": oracle}}
    assert policy_from({**PLAIN, "victim": {"name": "oracle"}}, extra).victims == oracle()
    assert "no victim is called 'oracle'" in refused(
        policy_from, {**PLAIN, "victim": {"name": "oracle"}}
    )


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_are_policies(name):
    assert policy_from(PRESETS[name]).gates == (Blocking(30.0),)


def test_the_history_that_a_policy_needs_is_the_longest_of_its_rules():
    assert history_needed(policy_from(PLAIN), 15.0) == 135.0
    regression = {**PLAIN, "detector": {"name": "local-regression"}}
    assert history_needed(policy_from(regression), 15.0) == 465.0
    patient = {**PLAIN, "gates": [{"name": "hysteresis"}]}
    assert history_needed(policy_from(patient), 15.0) == 2 * 8 * 15.0 + 15.0
    gated = {"name": "pressure-gate", "args": {"detector": {"name": "holt"}}}
    assert history_needed(policy_from({**PLAIN, "detector": gated}), 60.0) == 1860.0
