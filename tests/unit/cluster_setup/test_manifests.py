"""The manifests agree with the code, and nobody gets more rights than needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from podferry.agent import draining
from podferry.controller.runtime import ending, pki
from podferry.wire import names

ROOT = Path(__file__).resolve().parents[3] / "cluster-setup"
Object = dict[str, Any]


def documents() -> list[Object]:
    found: list[Object] = []
    for path in sorted(ROOT.glob("base/**/*.yaml")):
        if path.name != "kustomization.yaml":
            found += [one for one in yaml.safe_load_all(path.read_text()) if one]
    return found


def one(kind: str, name: str) -> Object:
    (found,) = [
        item for item in documents() if item["kind"] == kind and item["metadata"]["name"] == name
    ]
    return found


def test_every_kustomization_names_files_that_exist() -> None:
    for path in ROOT.glob("**/kustomization.yaml"):
        if path.parent.name != "crd":  # generated, see `make generate`
            for entry in yaml.safe_load(path.read_text())["resources"]:
                assert (path.parent / entry).exists(), f"{path}: {entry}"


def test_every_manifest_of_the_base_is_listed() -> None:
    for path in (ROOT / "base").glob("**/*.yaml"):
        if path.name != "kustomization.yaml":
            listed = yaml.safe_load((path.parent / "kustomization.yaml").read_text())["resources"]
            assert path.name in listed


def test_the_webhook_fails_closed_and_sees_pods_that_opted_in() -> None:
    hook, guard = one("MutatingWebhookConfiguration", "podferry")["webhooks"]
    assert hook["failurePolicy"] == "Fail"
    assert hook["objectSelector"] == {"matchLabels": {names.LABEL_MIGRATABLE: "true"}}
    assert hook["sideEffects"] == "NoneOnDryRun"
    assert hook["rules"][0]["operations"] == ["CREATE"]
    assert guard["failurePolicy"] == "Fail"
    assert "caBundle" not in hook["clientConfig"]  # it is the controller's to write


def test_the_webhook_of_evictions_fails_open_and_leaves_the_systems_own_namespaces_alone() -> None:
    (hook,) = one("ValidatingWebhookConfiguration", "podferry-evictions")["webhooks"]
    assert hook["failurePolicy"] == "Ignore"
    assert hook["timeoutSeconds"] <= 5
    assert hook["sideEffects"] == "NoneOnDryRun"
    assert hook["rules"][0]["resources"] == ["pods/eviction"]
    # Both are the controller's to write, and the path is a secret.
    assert not {"caBundle"} & set(hook["clientConfig"])
    assert "path" not in hook["clientConfig"]["service"]
    apart = {item["key"]: item["values"] for item in hook["namespaceSelector"]["matchExpressions"]}
    assert apart[names.EXCLUDE] == ["true"]
    assert names.SYSTEM_NAMESPACE in apart["kubernetes.io/metadata.name"]


def test_the_webhook_of_rescue_policies_fails_closed_and_sees_nothing_else() -> None:
    (hook,) = one("ValidatingWebhookConfiguration", "podferry")["webhooks"]
    assert hook["failurePolicy"] == "Fail"
    assert hook["timeoutSeconds"] <= 5
    assert hook["sideEffects"] == "None"
    (rule,) = hook["rules"]
    # Not the status, which the controller writes, and no deletion.
    assert (rule["apiGroups"], rule["resources"]) == (["podferry.dev"], ["rescuepolicies"])
    assert rule["operations"] == ["CREATE", "UPDATE"]
    assert "caBundle" not in hook["clientConfig"]
    writable = [rule for rule in rules() if "validatingwebhookconfigurations" in rule["resources"]]
    assert [rule["resourceNames"] for rule in writable] == [["podferry", "podferry-evictions"]]


def test_no_role_of_a_namespace_writes_rescue_policies() -> None:
    writing = {"create", "update", "patch", "delete", "deletecollection"}
    for item in documents():
        for rule in item.get("rules", []) if item["kind"] == "ClusterRole" else []:
            if "rescuepolicies" in rule["resources"] and writing & set(rule["verbs"]):
                assert "labels" not in item["metadata"]
                assert item["metadata"]["name"] == "podferry-rescue-edit"
    view = one("ClusterRole", "podferry-rescue-view")
    assert view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] == "true"
    bound = [item["roleRef"]["name"] for item in documents() if "roleRef" in item]
    assert not [name for name in bound if name.startswith("podferry-rescue")]


def policies() -> list[Object]:
    return [item for item in documents() if item["kind"] == "ValidatingAdmissionPolicy"]


def test_every_policy_fails_closed_and_is_bound() -> None:
    bound = {
        item["spec"]["policyName"]: item["spec"]["validationActions"]
        for item in documents()
        if item["kind"] == "ValidatingAdmissionPolicyBinding"
    }
    assert len(policies()) == 4
    assert bound == {item["metadata"]["name"]: ["Deny"] for item in policies()}
    assert {item["spec"]["failurePolicy"] for item in policies()} == {"Fail"}


def test_only_the_controller_s_own_account_may_change_what_it_wrote() -> None:
    account = one("Deployment", "podferry-controller")["spec"]["template"]["spec"]
    user = f"system:serviceaccount:{names.SYSTEM_NAMESPACE}:{account['serviceAccountName']}"
    guarded = [item["spec"] for item in policies() if "matchConditions" in item["spec"]]
    assert len(guarded) == 2
    for spec in guarded:
        assert f"request.userInfo.username != '{user}'" in spec["matchConditions"][0]["expression"]
    (pods,) = [spec for spec in guarded if "variables" in spec]
    users = pods["variables"][0]["expression"]
    for theirs in (names.EXCLUDE, names.LABEL_MIGRATABLE):
        assert f"'{theirs}'" in users
    for ours in (names.ANNOTATION_RESTORE, names.ANNOTATION_CLAIM, names.ANNOTATION_MIGRATION):
        assert f"'{ours}'" not in users
    (moves,) = [spec for spec in guarded if "variables" not in spec]
    assert f"'{names.FINALIZER}'" in moves["validations"][1]["expression"]


def test_the_right_to_choose_nodes_is_in_no_role_that_a_tenant_has() -> None:
    roles = [item for item in documents() if item["kind"] == "ClusterRole"]
    holders = [
        item
        for item in roles
        if any("targetnodes" in rule["resources"] for rule in item.get("rules", []))
    ]
    found = sorted(item["metadata"]["name"] for item in holders)
    assert found == ["podferry-choose-nodes", "podferry-controller"]
    # Aggregation goes by labels, so a role without any is in nobody else's.
    assert all("labels" not in item["metadata"] for item in holders)


def test_the_agent_has_no_token_and_no_rights() -> None:
    assert one("ServiceAccount", "podferry-agent")["automountServiceAccountToken"] is False
    pod = one("DaemonSet", "podferry-agent")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    for binding in documents():
        if binding["kind"].endswith("RoleBinding"):
            assert [who["name"] for who in binding["subjects"]] == ["podferry-controller"]


def test_the_agent_is_never_killed_for_its_memory_and_runs_on_every_node() -> None:
    pod = one("DaemonSet", "podferry-agent")["spec"]["template"]["spec"]
    for container in (*pod["initContainers"], *pod["containers"]):
        assert "limits" not in container["resources"]
    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert pod["priorityClassName"] == "system-node-critical"


def test_the_agent_has_a_share_of_a_full_node() -> None:
    pod = one("DaemonSet", "podferry-agent")["spec"]["template"]["spec"]
    requests = pod["containers"][0]["resources"]["requests"]
    assert int(requests["cpu"].removesuffix("m")) >= 100


def rules() -> list[Object]:
    cluster = one("ClusterRole", "podferry-controller")["rules"]
    own = one("Role", "podferry-controller")["rules"]
    return [*cluster, *own]


def test_no_right_is_a_wildcard() -> None:
    for rule in rules():
        for field in ("apiGroups", "resources", "verbs"):
            assert "*" not in rule[field]


def test_secrets_are_readable_by_name_in_the_own_namespace_only() -> None:
    cluster = one("ClusterRole", "podferry-controller")["rules"]
    assert all("secrets" not in rule["resources"] for rule in cluster)
    (reading,) = [rule for rule in rules() if "secrets" in rule["resources"]
                  and "get" in rule["verbs"]]  # fmt: skip
    assert set(reading["resourceNames"]) == {
        pki.CA_SECRET,
        pki.AGENT_SECRET,
        pki.CONTROLLER_SECRET,
        pki.WEBHOOK_SECRET,
    }


def test_two_config_maps_are_written_by_the_controller_and_one_is_readable_by_name() -> None:
    own = [rule for rule in rules() if "configmaps" in rule["resources"]]
    assert [rule["verbs"] for rule in own if "resourceNames" not in rule] == [["create"]]
    (known,) = (rule["resourceNames"] for rule in own if "resourceNames" in rule)
    assert known == [names.NODE_FACTS, names.MOVES]
    reading = one("Role", f"{names.NODE_FACTS}-view")["rules"]
    assert [rule["resourceNames"] for rule in reading] == [[names.NODE_FACTS]]
    assert [rule["verbs"] for rule in reading] == [["get"]]


@pytest.mark.parametrize("verb", ["create", "update", "patch", "delete"])
def test_users_never_write_the_status(verb: str) -> None:
    for item in documents():
        if item["kind"] == "ClusterRole" and item["metadata"]["name"] != "podferry-controller":
            for rule in item["rules"]:
                assert not (verb in rule["verbs"] and "migrations/status" in rule["resources"])


def test_ports_and_names_are_those_of_the_code() -> None:
    controller = one("Deployment", "podferry-controller")["spec"]["template"]["spec"]
    ports = {port["name"]: port["containerPort"] for port in controller["containers"][0]["ports"]}
    assert ports == {
        "webhook": names.WEBHOOK_PORT,
        "metrics": names.CONTROLLER_METRICS_PORT,
        "insight": names.INSIGHT_PORT,
    }
    agent = one("DaemonSet", "podferry-agent")["spec"]["template"]["spec"]
    ports = {port["name"]: port["containerPort"] for port in agent["containers"][0]["ports"]}
    assert ports == {"agent": names.AGENT_PORT, "metrics": names.AGENT_METRICS_PORT}
    assert agent["volumes"][0]["secret"]["secretName"] == pki.AGENT_SECRET
    assert one("RuntimeClass", names.RUNTIME_CLASS)["handler"] == names.RUNTIME_CLASS
    assert one("Namespace", names.SYSTEM_NAMESPACE)


def test_examples_opt_in_where_they_make_pods() -> None:
    for path in (ROOT / "examples").glob("*.yaml"):
        for item in yaml.safe_load_all(path.read_text()):
            if item["kind"] == "Deployment":
                labels = item["spec"]["template"]["metadata"]["labels"]
                assert labels[names.LABEL_MIGRATABLE] == "true"


def test_kubelet_waits_longer_for_an_orderly_end_than_that_takes() -> None:
    agent = one("DaemonSet", "podferry-agent")["spec"]
    assert agent["updateStrategy"]["type"] == "RollingUpdate"
    assert agent["updateStrategy"]["rollingUpdate"] == {"maxUnavailable": 1}
    pod = agent["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > draining.LIMIT_SECONDS + 15
    replica = one("Deployment", "podferry-controller")["spec"]["template"]["spec"]
    longest = ending.STEP_DOWN_SECONDS + ending.LINGER_SECONDS + 20
    assert replica["terminationGracePeriodSeconds"] > longest
