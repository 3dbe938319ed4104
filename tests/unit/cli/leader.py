"""A leader behind the fake API server: its Lease, tokens for viewers, and its proxied port."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from podferry.wire import names
from tests.fakes.apiserver import Recorded
from tests.unit.cli.conftest import Cluster

Object = dict[str, Any]
NAME = "podferry-controller-1"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/podferry-system/leases"
TOKENS = "/api/v1/namespaces/podferry-system/serviceaccounts/podferry-viewer/token"
Answer = tuple[int, Object]


def port(name: str = NAME) -> tuple[str, str]:
    """Where the API server passes a GET on to this pod."""
    return "GET", f"/api/v1/namespaces/podferry-system/pods/{name}:8081/proxy/v1/insight"


def lead(cluster: Cluster, answer: Callable[[Recorded], Answer], name: str = NAME) -> None:
    """Let `name` lead and answer; tokens are numbered."""
    made = {"metadata": {"name": names.CONTROLLER_LEASE}, "spec": {"holderIdentity": name}}
    cluster.seed(LEASES, made)
    tokens: list[str] = []

    def token(_seen: Recorded) -> Answer:
        tokens.append(f"token-{len(tokens) + 1}")
        return 201, {"status": {"token": tokens[-1]}}

    cluster.server.special["POST", TOKENS] = token
    cluster.server.special[port(name)] = answer


def tell(cluster: Cluster, told: Object) -> None:
    """Let the leader tell this, as it is, to whoever shows a token."""

    def answer(seen: Recorded) -> Answer:
        assert seen.headers[names.TOKEN_HEADER].startswith("token-")
        return 200, told

    lead(cluster, answer)
