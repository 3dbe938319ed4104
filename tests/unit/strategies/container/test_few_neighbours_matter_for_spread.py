"""Asked about a thousand targets, spread looks only at the pods that can change its answer."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from podferry.controller.core.view import NodeView
from podferry.strategies.container.spread_checks import check_spread, that_matter

KEYS = ("zone", "host")


def _node(name: str, zone: str) -> NodeView:
    return NodeView(name, "", True, False, (), {"zone": zone, "host": name}, 0, 0, None)


NODES = {name: _node(name, zone) for name, zone in (("a", "1"), ("b", "1"), ("c", "2"))}


def _term(key: str, app: str) -> dict[str, Any]:
    return {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}}


def _pod(name: str, app: str, node: str, terms: dict[str, list[dict[str, Any]]],
         spread: list[str]) -> dict[str, Any]:  # fmt: skip
    affinity = {
        kind: {"requiredDuringSchedulingIgnoredDuringExecution": rules}
        for kind, rules in terms.items()
    }
    rules = [{"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", **_term(key, app)}
             for key in spread]  # fmt: skip
    return {
        "metadata": {"name": name, "namespace": "x", "uid": name, "labels": {"app": app}},
        "spec": {"nodeName": node, "affinity": affinity, "topologySpreadConstraints": rules},
        "status": {"phase": "Running"},
    }


TERM = st.builds(_term, st.sampled_from(KEYS), st.sampled_from("pq"))
PODS = st.lists(
    st.tuples(
        st.sampled_from("pq"),
        st.sampled_from(list(NODES)),
        st.dictionaries(
            st.sampled_from(["podAffinity", "podAntiAffinity"]), st.lists(TERM, max_size=1)
        ),
        st.lists(st.sampled_from(KEYS), max_size=1),
    ),
    min_size=1,
    max_size=5,
)


@given(PODS, st.booleans())
def test_the_answer_is_the_same_without_the_others(drawn: list[Any], same_name: bool) -> None:
    pods = {f"pod-{at}": _pod(f"pod-{at}", *one) for at, one in enumerate(drawn)}
    pod = pods["pod-0"]
    for target in NODES.values():
        said = [
            list(check_spread(pod, target, nodes=NODES, pods=beside, same_name=same_name))
            for beside in (pods, that_matter(pod, pods))
        ]
        assert said[0] == said[1]


def test_of_a_pod_without_wishes_only_those_with_anti_affinity_matter() -> None:
    apart = {"podAntiAffinity": [_term("host", "p")]}
    pods = {"a": _pod("a", "p", "a", {}, []), "b": _pod("b", "p", "b", {}, []),
            "c": _pod("c", "p", "c", apart, [])}  # fmt: skip
    assert set(that_matter(pods["a"], pods)) == {"c"}
