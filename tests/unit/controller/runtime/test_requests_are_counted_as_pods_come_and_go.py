"""The sums of memory requests by node."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from podferry.controller.runtime.node_view import requested_by_node
from podferry.controller.runtime.requested import Requested, counted_only

MIB = 1 << 20


def pod(node: str | None, mib: int, phase: str = "Running", name: str = "p") -> dict[str, Any]:
    requests = {"resources": {"requests": {"memory": f"{mib}Mi"}}}
    spec: dict[str, Any] = {"containers": [requests]}
    if node:
        spec["nodeName"] = node
    metadata = {"name": name, "namespace": "default", "resourceVersion": "1", "uid": name}
    return {"metadata": metadata, "spec": spec, "status": {"phase": phase}}


def test_a_pod_counts_on_its_node_until_it_is_gone() -> None:
    sums = Requested()
    sums.changed("default/p", pod("a", 3))
    assert sums.on("a") == 3 * MIB
    sums.changed("default/p", None)
    assert sums.on("a") == 0


def test_a_pod_that_is_over_does_not_count() -> None:
    sums = Requested()
    sums.changed("default/p", pod("a", 3))
    sums.changed("default/p", pod("a", 3, phase="Succeeded"))
    assert sums.on("a") == 0


def test_a_pod_of_which_only_the_count_is_kept_counts_the_same() -> None:
    sums = Requested()
    sums.changed("default/p", counted_only(pod("a", 3)))
    assert sums.on("a") == 3 * MIB


CHANGES = st.lists(
    st.tuples(
        st.sampled_from("xyz"),
        st.none()
        | st.builds(
            pod, st.none() | st.sampled_from("ab"), st.integers(0, 9),
            st.sampled_from(["Running", "Pending", "Failed"]),
        ),
    )
)  # fmt: skip


@given(CHANGES)
def test_after_any_changes_the_sums_are_those_of_the_pods_there_are(
    changes: list[tuple[str, dict[str, Any] | None]],
) -> None:
    sums, there = Requested(), {}
    for key, changed in changes:
        sums.changed(key, changed)
        there[key] = changed
    fresh = requested_by_node(one for one in there.values() if one)
    for node in "ab":
        assert sums.on(node) == fresh.get(node, 0)
