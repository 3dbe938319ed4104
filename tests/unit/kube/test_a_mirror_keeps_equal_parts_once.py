"""The compact form of mirrored objects."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from podferry.kube.compact import Compactor


def _pod(name: str, **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [{"name": "app", "env": [{"name": "A", "value": "1"}]}]},
    }


def test_equal_parts_of_two_objects_are_one() -> None:
    compact = Compactor()
    first, second = compact(_pod("a", app="x")), compact(_pod("b", app="x"))
    assert first["spec"]["containers"] is second["spec"]["containers"]
    assert first["metadata"]["labels"] is second["metadata"]["labels"]


def test_the_objects_themselves_are_never_one() -> None:
    compact = Compactor()
    first, second = compact(_pod("a")), compact(_pod("a"))
    assert first is not second
    assert first["metadata"] is not second["metadata"]


def test_what_managed_fields_and_kubectl_wrote_is_left_out() -> None:
    pod = _pod("a")
    pod["metadata"]["managedFields"] = [{"manager": "kubelet"}]
    pod["metadata"]["annotations"] = {
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        "mine": "1",
    }
    metadata = Compactor()(pod)["metadata"]
    assert metadata == {"name": "a", "labels": {}, "annotations": {"mine": "1"}}


def test_true_one_and_one_point_zero_stay_what_they_are() -> None:
    compact = Compactor()
    for value in (True, 1, 1.0, False, 0):
        (found,) = compact({"metadata": {}, "spec": {"x": {"y": [value]}}})["spec"]["x"]["y"]
        assert (type(found), found) == (type(value), value)


def test_a_list_and_an_object_without_anything_in_them_are_told_apart() -> None:
    found = Compactor()({"metadata": {}, "spec": {"a": [], "b": {}, "c": ["{"], "d": "{"}})
    assert found["spec"] == {"a": [], "b": {}, "c": ["{"], "d": "{"}


def test_parts_of_what_is_gone_are_forgotten() -> None:
    compact = Compactor(known_parts=100)
    for number in range(1000):
        compact(_pod(f"pod-{number}", app=f"app-{number}"))
    assert len(compact._parts) < 200


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(0, 3)
    | st.sampled_from([0.0, 1.0])
    | st.text("ab{[", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("ab{[", max_size=2), inner, max_size=3)
    ),
    max_leaves=20,
)


@given(st.lists(st.fixed_dictionaries({"spec": JSON, "status": JSON}), max_size=5))
def test_an_object_says_the_same_as_before(bodies: list[dict[str, Any]]) -> None:
    compact = Compactor(known_parts=10)
    objects = [{"metadata": {"name": "x"}, **body} for body in bodies]
    found = [compact(copy.deepcopy(obj)) for obj in objects]
    assert repr(found) == repr(objects)
