"""Who may read the leader's insight: one Role, bound to nobody, and an account without rights."""

from __future__ import annotations

from podferry.wire import names
from tests.unit.cluster_setup.test_manifests import documents, one


def test_the_viewer_account_has_no_rights_and_no_token_of_its_own() -> None:
    account = one("ServiceAccount", names.VIEWER)
    assert account["metadata"]["namespace"] == names.SYSTEM_NAMESPACE
    assert account["automountServiceAccountToken"] is False
    bound = [
        who["name"]
        for item in documents()
        if item["kind"].endswith("RoleBinding")
        for who in item["subjects"]
    ]
    assert names.VIEWER not in bound


def test_the_right_to_the_insight_is_bound_to_nobody_and_holds_for_one_account() -> None:
    role = one("Role", "podferry-insight")
    assert role["metadata"]["namespace"] == names.SYSTEM_NAMESPACE
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["serviceaccounts/token"],
            "resourceNames": [names.VIEWER],
            "verbs": ["create"],
        },
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": [names.CONTROLLER_LEASE],
            "verbs": ["get"],
        },
        {"apiGroups": [""], "resources": ["pods/proxy"], "verbs": ["get"]},
    ]
    refs = [item["roleRef"]["name"] for item in documents() if "roleRef" in item]
    assert "podferry-insight" not in refs
    tickets = [
        item["metadata"]["name"]
        for item in documents()
        if item["kind"] in ("Role", "ClusterRole")
        for rule in item.get("rules", [])
        if "serviceaccounts/token" in rule.get("resources", [])
    ]
    assert tickets == ["podferry-insight"]


def test_the_controller_may_ask_whose_a_token_is() -> None:
    rules = one("ClusterRole", "podferry-controller")["rules"]
    (found,) = [rule for rule in rules if "tokenreviews" in rule["resources"]]
    assert found["verbs"] == ["create"]
