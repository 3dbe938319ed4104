"""How the clients of a committed source learn of its end, and where new ones go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podferry.agent import operations
from podferry.agent.engine import Side
from podferry.agent.machine import SideState
from podferry.agent.node import Node
from podferry.agent.ops import redirect
from podferry.agent.ops.host import Completed, Host
from podferry.agent.store import Store
from podferry.wire.stages import Observed, Order, Progress, Role, Verdict

UID = "8f14e45f-ceea-467f-a8f2-0123456789ab"
TWO = "ESTAB 0 0 10.0.0.1:9000 10.0.9.9:40000\nESTAB 0 0 10.0.0.1:9000 10.0.9.9:40001\n"


class PodHost(Host):
    """A node whose pod has a namespace; nft may refuse, ss finds two connections at first."""

    def __init__(self, root: Path, *, nat: bool = True) -> None:
        super().__init__(str(root), enter=False)
        (root / "ns").touch()
        self.nat, self.found = nat, [TWO]
        self.lines: list[str] = []
        self.rules: list[str] = []

    def run(self, argv: Any, *, timeout: float = 30.0, stdin: str | None = None) -> Completed:
        self.lines.append(" ".join(argv[3:]))
        if "ss" in argv:
            return Completed(0, self.found.pop() if self.found else "", "")
        if stdin is not None:
            self.rules.append(stdin)
            if "dnat" in stdin and not self.nat:
                return Completed(1, "", "Error: no NAT here")
        return Completed(0, "", "")


def side(path: Path, role: Role = Role.SOURCE, netns: str = "/ns", **params: Any) -> Side:
    order = Order(UID, 1, role, "Redirected", Verdict.COMMITTED, params=params)
    facts = {"netns": netns, "containerID": "ab"}
    observed = Observed(UID, 1, role, "Sealed", "Redirected", Progress.WORKING, None, facts)
    store = Store(str(path / "state"))
    made = Side(SideState(order, observed), store.folder(UID, 1, role), store)
    store.save(made.state)
    return made


def test_new_connections_have_a_way_before_the_old_ones_are_reset(tmp_path: Path) -> None:
    host = PodHost(tmp_path)
    one = side(tmp_path, podIP="10.0.0.1", forwardTo="10.0.0.2")
    facts = operations.hand_over_connections(Node(host), one)
    assert facts == {"forwardedTo": "10.0.0.2", "connectionsReset": 2}
    assert host.rules == [redirect.rules("10.0.0.2")]
    assert host.lines[-1].startswith("ss -K")


def test_a_repetition_keeps_the_count_of_the_first_time(tmp_path: Path) -> None:
    host = PodHost(tmp_path)
    one = side(tmp_path, podIP="10.0.0.1", forwardTo="10.0.0.2")
    for _ in range(2):
        one.note(**operations.hand_over_connections(Node(host), one))
    assert one.facts["connectionsReset"] == 2


@pytest.mark.parametrize(
    ("params", "nat", "why"),
    [
        ({}, True, None),
        ({"podIP": "10.0.0.1", "forwardTo": "10.0.0.2"}, False, "no NAT here"),
        ({"podIP": "fd00::1", "forwardTo": "fd00::2"}, True, "only IPv4"),
    ],
    ids=["nowhere to", "nft refuses", "IPv6"],
)
def test_without_forwarding_the_connections_are_reset_behind_a_closed_shield(
    tmp_path: Path, params: dict[str, Any], nat: bool, why: str | None
) -> None:
    host = PodHost(tmp_path, nat=nat)
    facts = operations.hand_over_connections(Node(host), side(tmp_path, **params))
    assert facts["forwardedTo"] == ""
    assert facts["connectionsReset"] == 2
    assert (why or "") in facts.get("forwardError", "")
    assert ("forwardError" in facts) is (why is not None)
    assert "dnat" not in host.rules[-1]
    assert "rst accept" in host.rules[-1]


def test_a_namespace_that_is_gone_needs_nothing(tmp_path: Path) -> None:
    host = PodHost(tmp_path)
    one = side(tmp_path, netns="/gone", podIP="10.0.0.1", forwardTo="10.0.0.2")
    assert operations.hand_over_connections(Node(host), one) == {"forwardedTo": ""}
    assert host.lines == []


@pytest.mark.parametrize(("forwarded", "lowered"), [("10.0.0.2", False), ("", True)])
def test_a_namespace_that_forwards_goes_on_for_a_while_after_the_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forwarded: str, lowered: bool
) -> None:
    calls: list[str] = []
    host = PodHost(tmp_path)
    one = side(tmp_path, podIP="10.0.0.1", forwardSeconds=2.5)
    one.note(forwardedTo=forwarded)
    monkeypatch.setattr(operations, "lower_shield", lambda *_: calls.append("lower"))
    operations.release(Node(host), one)
    assert bool(calls) is lowered
    assert host.rules == ([redirect.rules("10.0.0.2", 2.5)] if forwarded else [])


def test_a_release_does_not_fail_for_want_of_forwarding(tmp_path: Path) -> None:
    one = side(tmp_path, podIP="10.0.0.1", forwardSeconds=2.5)
    one.note(forwardedTo="10.0.0.2")
    operations.release(Node(PodHost(tmp_path, nat=False)), one)


def test_the_target_resets_only_what_came_through_the_source(tmp_path: Path) -> None:
    host = PodHost(tmp_path)
    one = side(tmp_path, Role.TARGET, forwardedFrom="10.0.0.1")
    assert operations.reset_forwarded(Node(host), one) == 2
    assert host.lines == ["ss -K -H -t state connected dst 10.0.0.1"]


def test_a_target_of_which_nothing_was_forwarded_resets_nothing(tmp_path: Path) -> None:
    host = PodHost(tmp_path)
    assert operations.reset_forwarded(Node(host), side(tmp_path, Role.TARGET)) == 0
    assert host.lines == []
