"""What every component of the lab is told: arguments and configuration files, as pure text.

The boxes' supervisor gets these as services; nothing here starts anything.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import yaml

from podferry.lab.cluster import model
from podferry.lab.cluster.model import Node

PKI = "/etc/kubernetes/pki"
CONF = "/etc/kubernetes"
BIN = "/opt/podferry-lab/bin"
IMAGES = "/opt/podferry-lab/images"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
SANDBOX_IMAGE = "registry.lab/pause:1"


@dataclass(frozen=True, slots=True)
class Service:
    """One program of a box; see the supervisor for the meaning of the fields."""

    name: str
    argv: tuple[str, ...]
    ready: dict[str, str] = field(default_factory=dict)
    wait: dict[str, str] = field(default_factory=dict)
    oneshot: bool = False

    def as_json(self) -> dict[str, Any]:
        """The supervisor's form."""
        return {
            "name": self.name,
            "argv": list(self.argv),
            "ready": self.ready,
            "wait": self.wait,
            "oneshot": self.oneshot,
        }


def services_json(services: list[Service]) -> str:
    """The file that a box's supervisor reads."""
    return json.dumps([service.as_json() for service in services], indent=1)


def kubeconfig(server: str, *, user: str, ca: str, cert: str, key: str) -> str:
    """A kubeconfig whose `ca`, `cert` and `key` are base64 data."""
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "lab", "cluster": {"server": server, "certificate-authority-data": ca}}
            ],
            "users": [
                {
                    "name": user,
                    "user": {"client-certificate-data": cert, "client-key-data": key},
                }
            ],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user}}],
            "current-context": "lab",
        }
    )


def control_services(first_node: Node) -> list[Service]:
    """Etcd and the control plane, in the order in which they may start."""
    readyz = {"https": f"https://127.0.0.1:{model.API_PORT}/readyz", "cafile": f"{PKI}/ca.crt"}
    return [
        Service("etcd", _etcd(), ready={"tcp": "127.0.0.1:2379"}),
        Service("apiserver", _apiserver(), ready=readyz),
        Service("controller-manager", _controller_manager()),
        Service("scheduler", ("kube-scheduler", *_clients("scheduler"), "--leader-elect=false")),
        # so that the control plane, too, reaches ClusterIPs; the name is only used to ask
        # the API server for a node address
        kube_proxy(first_node.name),
    ]


def _etcd() -> tuple[str, ...]:
    url = "http://127.0.0.1:2379"
    return (
        "etcd",
        "--data-dir=/var/lib/etcd",
        "--unsafe-no-fsync",  # a lab's data need not survive a power cut
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        "--listen-peer-urls=http://127.0.0.1:2380",
    )


def _apiserver() -> tuple[str, ...]:
    return (
        "kube-apiserver",
        "--etcd-servers=http://127.0.0.1:2379",
        f"--service-cluster-ip-range={model.SERVICE_CIDR}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={PKI}/sa.key",
        f"--service-account-key-file={PKI}/sa.pub",
        f"--tls-cert-file={PKI}/apiserver.crt",
        f"--tls-private-key-file={PKI}/apiserver.key",
        f"--client-ca-file={PKI}/ca.crt",
        f"--kubelet-client-certificate={PKI}/apiserver-kubelet.crt",
        f"--kubelet-client-key={PKI}/apiserver-kubelet.key",
        f"--kubelet-certificate-authority={PKI}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",  # there is no name service
        f"--requestheader-client-ca-file={PKI}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={PKI}/front-proxy-client.crt",
        f"--proxy-client-key-file={PKI}/front-proxy-client.key",
        "--enable-aggregator-routing=true",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--bind-address=0.0.0.0",
        f"--advertise-address={model.CONTROL_IP}",
        f"--secure-port={model.API_PORT}",
    )


def _controller_manager() -> tuple[str, ...]:
    return (
        "kube-controller-manager",
        *_clients("controller-manager"),
        "--leader-elect=false",
        f"--service-account-private-key-file={PKI}/sa.key",
        f"--root-ca-file={PKI}/ca.crt",
        f"--cluster-signing-cert-file={PKI}/ca.crt",
        f"--cluster-signing-key-file={PKI}/ca.key",
        "--use-service-account-credentials",
        f"--cluster-cidr={model.POD_CIDR}",
        "--allocate-node-cidrs=false",
    )


def _clients(name: str) -> tuple[str, ...]:
    conf = f"{CONF}/{name}.conf"
    return (
        f"--kubeconfig={conf}",
        f"--authentication-kubeconfig={conf}",
        f"--authorization-kubeconfig={conf}",
    )


def kube_proxy(hostname: str) -> Service:
    """kube-proxy of a box; nftables needs no iptables modules in the kernel."""
    return Service(
        "kube-proxy",
        ("kube-proxy", f"--config={CONF}/kube-proxy.yaml", f"--hostname-override={hostname}"),
        ready={"tcp": "127.0.0.1:10249"},
    )


def kube_proxy_config() -> str:
    """Connection tracking limits stay as they are: they belong to the machine."""
    return yaml.safe_dump(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clientConnection": {"kubeconfig": f"{CONF}/kube-proxy.conf"},
            "clusterCIDR": model.POD_CIDR,
            "detectLocalMode": "ClusterCIDR",
            "metricsBindAddress": "127.0.0.1:10249",
            "conntrack": {
                "maxPerCore": 0,
                "min": 0,
                "tcpEstablishedTimeout": "0s",
                "tcpCloseWaitTimeout": "0s",
            },
            "nftables": {"syncPeriod": "30s", "minSyncPeriod": "100ms"},
        }
    )


def node_services(node: Node, images: list[str], containerd: str = "containerd") -> list[Service]:
    """containerd, the images that every node has, kubelet and kube-proxy."""
    services = [
        Service(
            "containerd",
            (containerd, "--config", "/etc/containerd/config.toml"),
            ready={"unix": CONTAINERD_SOCKET},
        )
    ]
    if images:
        files = " ".join(f"'{IMAGES}/{image}'" for image in images)
        load = f'for f in {files}; do /bin/sh {CONF}/load-image.sh "$f" || exit 1; done'
        services.append(Service("images", ("/bin/sh", "-c", load), oneshot=True))
    kubelet = (
        "kubelet",
        f"--config={CONF}/kubelet.yaml",
        f"--kubeconfig={CONF}/kubelet.conf",
        f"--hostname-override={node.name}",
        f"--node-ip={node.ip}",
        "--v=2",
    )
    # a kubelet that is up before the API server delays its first pods by half a minute
    api = {
        "https": f"https://{model.CONTROL_IP}:{model.API_PORT}/readyz",
        "cafile": f"{PKI}/ca.crt",
    }
    services.append(Service("kubelet", kubelet, ready={"tcp": "127.0.0.1:10248"}, wait=api))
    services.append(kube_proxy(node.name))
    return services


LOAD_IMAGE = r"""#!/bin/sh
# Imports an image archive and names each of its images by digest as well: a pod that was pinned
# to a digest then finds it without a registry. An argument of - reads standard input.
set -e
before=$(mktemp) after=$(mktemp)
ctr -n k8s.io images import --local "$1" >&2 || ctr -n k8s.io images import "$1" >&2
ctr -n k8s.io images list | awk 'NR>1 && $1 !~ /@|^sha256:/ {print $1, $3}' > "$after"
while read -r name digest; do
  repo=${name%:*}
  ctr -n k8s.io images tag --force "$name" "$repo@$digest" > /dev/null
done < "$after"
rm -f "$before" "$after"
"""


def containerd_config(*, runc: str, cni: str, restrict_oom: bool) -> str:
    """Plain runc only; installers add files to /etc/containerd/conf.d and restart containerd."""
    return f"""version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
imports = ["/etc/containerd/conf.d/*.toml"]

[grpc]
  address = "{CONTAINERD_SOCKET}"

[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = "{SANDBOX_IMAGE}"

[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = {"true" if restrict_oom else "false"}
  disable_apparmor = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = "runc"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
        BinaryName = "{runc}"
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["{cni}"]
    conf_dir = "/etc/cni/net.d"
"""


def cni_config(node: Node) -> str:
    """Point-to-point links with this node's share of the pod addresses."""
    ipam = {
        "type": "host-local",
        "dataDir": "/var/lib/cni/networks",
        "ranges": [[{"subnet": node.pod_cidr}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    plugins = [
        {"type": "ptp", "ipMasq": False, "ipam": ipam},
        {"type": "portmap", "backend": "nftables", "capabilities": {"portMappings": True}},
    ]
    return json.dumps({"cniVersion": "1.0.0", "name": "lab", "plugins": plugins}, indent=1)


def kubelet_config(*, user_namespace: bool) -> str:
    """Configuration of every kubelet; `user_namespace` where CAP_SYS_RESOURCE is missing."""
    config: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "0.0.0.0",  # noqa: S104 - of the node's own network namespace
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{PKI}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{PKI}/kubelet.crt",
        "tlsPrivateKeyFile": f"{PKI}/kubelet.key",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "clusterDNS": [model.DNS_IP],
        "resolvConf": "",
        "makeIPTablesUtilChains": False,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "imagefs.available": "1%",
        },
        "serializeImagePulls": False,
        "nodeStatusUpdateFrequency": "5s",
    }
    if user_namespace:
        # kubelet then goes on where it may not lower its own oom score
        config["featureGates"] = {"KubeletInUserNamespace": True}
    return yaml.safe_dump(config)
