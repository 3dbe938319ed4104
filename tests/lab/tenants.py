"""A tenant of a lab: a service account of a namespace with given rights, and kubectl as it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.lab.moves import Moves

CONTROLLER = "system:serviceaccount:podferry-system:podferry-controller"
EVERYTHING = (
    {
        "apiGroups": [""],
        "resources": ["pods", "pods/status", "pods/binding", "bindings"],
        "verbs": ["*"],
    },
    {
        "apiGroups": ["podferry.dev"],
        "resources": ["migrations", "migrations/status"],
        "verbs": ["*"],
    },
)
"""More than the cluster's own `admin` role gives: what careless roles of tenants look like."""


@dataclass(frozen=True)
class Tenant:
    """Acts in the namespace of `moves` as its own service account."""

    moves: Moves
    name: str

    @property
    def user(self) -> str:
        """User name, as the API server knows it."""
        return f"system:serviceaccount:{self.moves.namespace}:{self.name}"

    def kubectl(self, *argv: str, stdin: str | None = None) -> str:
        """What kubectl said, refused or not."""
        return self.moves.kubectl(*argv, "--as", self.user, stdin=stdin, check=False)

    def ask(self, workload: str, name: str, **spec: Any) -> str:
        """Create a Migration of a Deployment; what kubectl said."""
        raw = Moves.migration("Deployment", workload, name, **spec)
        return self.kubectl("create", "-f", "-", stdin=json.dumps(raw))


def tenant(moves: Moves, name: str, *rules: dict[str, Any]) -> Tenant:
    """A service account with the cluster's `admin` role in its namespace, and `rules` besides."""
    group = "rbac.authorization.k8s.io"
    who = {"kind": "ServiceAccount", "name": name, "namespace": moves.namespace}
    moves.kubectl("create", "serviceaccount", name)
    roles: list[tuple[str, str]] = [("ClusterRole", "admin")]
    if rules:
        role = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": {"name": name}}
        moves.kubectl("create", "-f", "-", stdin=json.dumps({**role, "rules": list(rules)}))
        roles.append(("Role", name))
    for kind, of in roles:
        binding = {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": f"{name}-{of}"},
            "roleRef": {"apiGroup": group, "kind": kind, "name": of},
            "subjects": [who],
        }
        moves.kubectl("create", "-f", "-", stdin=json.dumps(binding))
    return Tenant(moves, name)
