"""Which container of a pod is moved, which start anew, and what a declaration must say."""

from __future__ import annotations

from typing import Any

import pytest

from podferry.api.reasons import Reason
from podferry.controller.core.requests import requested_bytes
from podferry.strategies.container import companions, node_checks, preflight
from podferry.strategies.container.quota_checks import check_quotas
from podferry.wire import names
from tests.unit.strategies.container import samples

NATIVE = {"name": "mesh", "restartPolicy": "Always"}
FETCH = {"name": "fetch"}


def pod(*regular: str, declared: str = "", inits: tuple[Any, ...] = ()) -> dict[str, Any]:
    raw = samples.pod(
        containers=[{"name": name} for name in regular], initContainers=[dict(one) for one in inits]
    )
    raw["metadata"]["annotations"] = {names.ANNOTATION_RESTART_CONTAINERS: declared}
    return raw


@pytest.mark.parametrize(
    ("raw", "moved", "anew"),
    [
        (pod("app"), "app", []),
        (pod("app", "log", declared="log"), "app", ["log"]),
        (pod("proxy", "app", "log", declared=" log, proxy "), "app", ["proxy", "log"]),
        (pod("app", inits=(FETCH, NATIVE)), "app", ["mesh"]),
        (pod("app", "log", declared="log,mesh", inits=(NATIVE,)), "app", ["log", "mesh"]),
    ],
    ids=["alone", "declared", "first and last", "native sidecar", "native one named too"],
)
def test_what_is_declared_and_native_sidecars_start_anew_beside_the_one_that_moves(
    raw: dict[str, Any], moved: str, anew: list[str]
) -> None:
    assert preflight.check_pod(raw) == []
    assert companions.moved(raw) == moved
    assert companions.anew(raw, moved) == anew


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (pod("app", "log", "proxy"), ["3 of them", "app, log, proxy", '"log,proxy"']),
        (pod("app", "log", "proxy", declared="log"), ["2 of them", "app, proxy", '"log,proxy"']),
        (pod("app", "log", declared="log,app"), ["declares all", "app, log", "nothing is left"]),
        (pod("app", declared="app"), ["declares all", "nothing is left"]),
        (pod("app", "log", declared="log,lag"), ["names lag", "none of its containers (app, log)"]),
        (pod("app", declared="fetch", inits=(FETCH,)), ["fetch", "never runs again"]),
    ],
    ids=["none declared", "too few", "all", "the only one", "unknown", "an init container"],
)
def test_a_declaration_that_leaves_not_exactly_one_is_refused_with_what_to_write(
    raw: dict[str, Any], words: list[str]
) -> None:
    (finding,) = preflight.check_pod(raw)
    assert finding.reason is Reason.SEVERAL_CONTAINERS
    for word in [*words, "shop/counter-abc"]:
        assert word in finding.message


def test_terminals_and_devices_of_what_starts_anew_are_no_obstacle() -> None:
    raw = pod("app", "log", declared="log")
    raw["spec"]["containers"][1] |= {"tty": True, "volumeDevices": [{"name": "disk"}]}
    assert preflight.check_pod(raw) == []
    raw["spec"]["containers"][0] |= {"tty": True}
    assert [one.reason for one in preflight.check_pod(raw)] == [Reason.TERMINAL_ATTACHED]


@pytest.mark.parametrize("hook", [{"exec": {"command": ["/x"]}}, {"httpGet": {"port": 80}}])
def test_a_post_start_hook_of_what_starts_anew_is_refused(hook: dict[str, Any]) -> None:
    raw = pod("app", "log", declared="log")
    raw["spec"]["containers"][1]["lifecycle"] = {"postStart": hook}
    (finding,) = preflight.check_pod(raw)
    assert finding.reason is Reason.LIFECYCLE_HOOK
    assert "container log" in finding.message


def test_room_is_counted_for_native_sidecars_as_the_scheduler_does() -> None:
    def needs(size: str, **more: Any) -> dict[str, Any]:
        return {"resources": {"requests": {"memory": size}}, **more}

    inits = [needs("2Mi", restartPolicy="Always"), needs("4Mi"), needs("1Mi")]
    raw = samples.pod(containers=[needs("3Mi")], initContainers=inits)
    assert requested_bytes(raw) == 6 * 2**20
    assert node_checks.requested_bytes(raw) == 5 * 2**20
    tight = {"memory": "5Mi"}
    quota = {"metadata": {"name": "q"}, "spec": {"hard": tight},
             "status": {"hard": tight, "used": {"memory": "0"}}}  # fmt: skip
    (finding,) = check_quotas(raw, (quota,))
    assert "counts 6Mi" in finding.message
