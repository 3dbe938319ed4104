"""The objects that a rescue creates: names that two leaders agree on, and contents."""

from __future__ import annotations

import pytest

from podferry.controller.core.rescue import wanted
from podferry.policies.vocabulary import Command

from .worlds import GIB, NOW, migration, pod, policy

COMMAND = Command("shop/app", "node-a", "node-b", GIB, NOW, "short of memory")
UID = "12345678-aaaa-bbbb-cccc-dddddddddddd"


def name(*earlier: str, of: str = "app") -> str:
    them = [migration(each) for each in earlier]
    return str(
        wanted.migration(policy(), COMMAND, pod(of, uid=UID), them)["metadata"]["name"]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("earlier", "wanted_name"),
    [
        ((), "rescue-app-12345678"),
        (("rescue-app-12345678",), "rescue-app-12345678-2"),
        (("rescue-app-12345678", "rescue-app-12345678-2"), "rescue-app-12345678-3"),
        (("rescue-app-12345678-2",), "rescue-app-12345678-3"),  # the first was deleted
        (("rescue-app-12345678-10", "rescue-app-12345678-9"), "rescue-app-12345678-11"),
        (("rescue-app-123456789", "rescue-other-12345678"), "rescue-app-12345678"),
    ],
)
def test_the_name_comes_from_the_pod_and_the_tries_before(
    earlier: tuple[str, ...], wanted_name: str
) -> None:
    assert name(*earlier) == wanted_name == name(*earlier[::-1])


def test_a_long_name_fits_and_ends_well() -> None:
    found = name(of="a" * 199 + "." + "b" * 50)
    assert found == f"rescue-{'a' * 199}-12345678"
    assert len(name("x", of="a" * 253)) <= 253


def test_the_migration_says_who_asked_and_why() -> None:
    asked = policy("night", copy="PostCopy", maxFreezeSeconds=2.5)
    found = wanted.migration(asked, COMMAND, pod("app", uid=UID), [])
    assert found["metadata"]["labels"]["podferry.dev/rescue-policy"] == "night"
    assert found["metadata"]["annotations"]["podferry.dev/rescue"] == "short of memory"
    assert found["spec"]["targetNode"] == "node-b"
    assert found["spec"]["copy"] == "PostCopy"
    assert found["spec"]["maxFreezeSeconds"] == 2.5
    assert found["spec"]["workloadRef"] == {"kind": "Pod", "name": "app"}


def test_an_eviction_is_of_this_very_pod() -> None:
    found = wanted.eviction(pod("app", uid=UID))
    assert found["deleteOptions"] == {"preconditions": {"uid": UID}}


def test_a_policy_s_name_that_is_too_long_for_a_label_is_cut_and_stays_its_own() -> None:
    one, other = wanted.label("p" * 253), wanted.label("p" * 252)
    assert len(one) == 63
    assert one != other
    assert wanted.label("p" * 63) == "p" * 63
