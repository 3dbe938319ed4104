"""What the components are told."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
import yaml

from podferry.lab.cluster import components, model


def flags(argv: tuple[str, ...]) -> dict[str, str]:
    return dict(arg[2:].partition("=")[::2] for arg in argv[1:])


def test_the_api_server_has_the_aggregation_layer_that_kubevirt_needs() -> None:
    found = flags(components.control_services(model.nodes(1)[0])[1].argv)
    assert {
        "requestheader-client-ca-file",
        "requestheader-allowed-names",
        "proxy-client-cert-file",
        "proxy-client-key-file",
    } <= set(found)
    assert found["kubelet-preferred-address-types"] == "InternalIP"


def test_controllers_start_after_the_api_server_is_ready() -> None:
    names = [s.name for s in components.control_services(model.nodes(1)[0])]
    assert names.index("apiserver") < names.index("controller-manager") < names.index("scheduler")


def test_kubelet_starts_after_the_images_and_waits_for_the_api_server() -> None:
    services = components.node_services(model.nodes(1)[0], ["pause.tar"])
    names = [s.name for s in services]
    assert names == ["containerd", "images", "kubelet", "kube-proxy"]
    assert services[2].wait["https"].endswith(":6443/readyz")


@pytest.mark.parametrize("restrict", [True, False])
def test_containerd_reads_the_files_that_installers_drop(restrict: bool) -> None:
    text = components.containerd_config(runc="/r", cni="/c", restrict_oom=restrict)
    config = tomllib.loads(text)
    assert config["imports"] == ["/etc/containerd/conf.d/*.toml"]
    runtime = config["plugins"]["io.containerd.cri.v1.runtime"]
    assert runtime["restrict_oom_score_adj"] is restrict
    assert list(runtime["containerd"]["runtimes"]) == ["runc"]
    images = config["plugins"]["io.containerd.cri.v1.images"]
    assert images["pinned_images"] == {"sandbox": "registry.lab/pause:1"}


@pytest.mark.parametrize("limited", [True, False])
def test_kubelet_tolerates_a_missing_capability_only_where_it_is_missing(limited: bool) -> None:
    config = yaml.safe_load(components.kubelet_config(user_namespace=limited))
    assert ("featureGates" in config) is limited
    assert config["evictionHard"]["memory.available"] == "100Mi"
    assert "localStorageCapacityIsolation" not in config


def test_the_supervisor_gets_every_field_of_a_service() -> None:
    service = components.Service("x", ("a", "b"), ready={"tcp": "h:1"}, oneshot=True)
    row = json.loads(components.services_json([service]))[0]
    assert row == {
        "name": "x",
        "argv": ["a", "b"],
        "ready": {"tcp": "h:1"},
        "wait": {},
        "oneshot": True,
    }


def test_no_component_is_told_a_path_of_this_checkout() -> None:
    node = model.nodes(1)[0]
    text = components.services_json(
        components.control_services(node) + components.node_services(node, ["a.tar"])
    )
    assert str(Path(__file__).parents[4]) not in text
