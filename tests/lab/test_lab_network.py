"""Pods, Services, service accounts and webhooks of a lab really work."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from podferry.lab.cluster import pki
from tests.lab import tools_image
from tests.lab.cluster import Cluster

pytestmark = pytest.mark.lab

TOKENS = "/var/run/secrets/kubernetes.io/serviceaccount"
FETCH = """
import sys, time, urllib.request
# a Service refuses until kube-proxy has heard of its endpoints
for attempt in range(100):
    try:
        print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())
        break
    except OSError as error:
        last = error
        time.sleep(0.1)
else:
    sys.exit(str(last))
"""
ASK_API = (
    "import ssl,sys,urllib.request as u;d=sys.argv[1];"
    "c=ssl.create_default_context(cafile=d+'/ca.crt');"
    "h={'Authorization':'Bearer '+open(d+'/token').read()};"
    "p='https://10.96.0.1/apis/authentication.k8s.io/v1/selfsubjectreviews';"
    "h['Content-Type']='application/json';"
    'b=b\'{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}\';'
    "print(u.urlopen(u.Request(p,b,h),context=c,timeout=5).read().decode())"
)
HOOK = """
import base64, http.server, json, ssl
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers['Content-Length'])))['request']
        patch = [{'op': 'add', 'path': '/data', 'value': {'seen': 'by the webhook'}}]
        answer = {'uid': request['uid'], 'allowed': True, 'patchType': 'JSONPatch',
                  'patch': base64.b64encode(json.dumps(patch).encode()).decode()}
        body = json.dumps({'apiVersion': 'admission.k8s.io/v1', 'kind': 'AdmissionReview',
                           'response': answer}).encode()
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = http.server.HTTPServer(('', 8443), Hook)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('/tls/tls.crt', '/tls/tls.key')
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def pod(name: str, node: str, *command: str, secret: str = "", port: int = 0) -> dict[str, object]:
    mounts = [{"name": "usr", "mountPath": "/usr", "readOnly": True}]
    volumes: list[object] = [{"name": "usr", "hostPath": {"path": "/usr"}}]
    if secret:
        mounts.append({"name": "tls", "mountPath": "/tls", "readOnly": True})
        volumes.append({"name": "tls", "secret": {"secretName": secret}})
    container: dict[str, object] = {
        "name": "c",
        "image": tools_image.NAME,
        "imagePullPolicy": "Never",
        "command": list(command),
        "volumeMounts": mounts,
    }
    if port:
        probe = {"tcpSocket": {"port": port}, "periodSeconds": 1}
        container["readinessProbe"] = probe
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
            "volumes": volumes,
        },
    }


def service(name: str, port: int, target: int) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": port, "targetPort": target}]},
    }


def apply(lab: Cluster, namespace: str, *objects: object) -> None:
    items = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    lab.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(items))


class Pair(NamedTuple):
    """A server on node-a behind a Service, and a client on node-b."""

    namespace: str
    pod_ip: str
    cluster_ip: str


@pytest.fixture(scope="module")
def pair(lab: Cluster) -> Iterator[Pair]:
    name = "t-network"
    lab.kubectl("create", "namespace", name)
    lab.kubectl("wait", "--for=create", "sa/default", "-n", name, "--timeout=30s")
    serve = pod("srv", "node-a", "python3", "-m", "http.server", "8000", "-d", TOKENS, port=8000)
    apply(lab, name, serve, pod("cli", "node-b", "sleep", "inf"), service("srv", 80, 8000))
    lab.kubectl("wait", "-n", name, "--for=condition=Ready", "pod/srv", "pod/cli", "--timeout=60s")
    pod_ip = lab.get("pod", "srv", "-n", name)["status"]["podIP"]
    cluster_ip = lab.get("service", "srv", "-n", name)["spec"]["clusterIP"]
    yield Pair(name, pod_ip, cluster_ip)
    lab.kubectl("delete", "namespace", name, "--wait=false", "--now")


def test_a_pod_reaches_a_pod_on_another_node(lab: Cluster, pair: Pair) -> None:
    url = f"http://{pair.pod_ip}:8000/namespace"
    args = ["exec", "-n", pair.namespace, "cli", "--", "python3", "-c", FETCH, url]
    assert lab.kubectl(*args).strip() == pair.namespace


@pytest.mark.parametrize("client", ["cli", "srv"])
def test_a_cluster_ip_works_from_pods_of_both_nodes(lab: Cluster, pair: Pair, client: str) -> None:
    url = f"http://{pair.cluster_ip}/namespace"
    args = ["exec", "-n", pair.namespace, client, "--", "python3", "-c", FETCH, url]
    assert lab.kubectl(*args).strip() == pair.namespace


@pytest.mark.parametrize("box", ["control", "node-a", "node-b"])
def test_a_cluster_ip_works_from_the_control_plane_and_the_nodes(
    lab: Cluster, pair: Pair, box: str
) -> None:
    url = f"http://{pair.cluster_ip}/namespace"
    assert lab.exec(box, ["python3", "-c", FETCH, url]).strip() == pair.namespace


def test_a_pod_calls_the_api_server_with_its_service_account(lab: Cluster, pair: Pair) -> None:
    args = ["exec", "-n", pair.namespace, "cli", "--", "python3", "-c", ASK_API, TOKENS]
    user = json.loads(lab.kubectl(*args))["status"]["userInfo"]["username"]
    assert user == f"system:serviceaccount:{pair.namespace}:default"


def test_logs_of_a_pod_are_read_through_the_api_server(lab: Cluster, pair: Pair) -> None:
    lab.exec("control", ["python3", "-c", FETCH, f"http://{pair.cluster_ip}/ca.crt"])
    assert "/ca.crt" in lab.kubectl("logs", "-n", pair.namespace, "srv")


def configuration(namespace: str, ca: pki.Authority) -> dict[str, object]:
    """Calls the Service `hook` for every new ConfigMap of the namespace."""
    hook = {
        "name": "hook.example.test",
        "clientConfig": {
            "service": {"namespace": namespace, "name": "hook"},
            "caBundle": base64.b64encode(ca.pem).decode(),
        },
        "rules": [
            {
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["configmaps"],
            }
        ],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": namespace},
        "webhooks": [hook],
    }


def test_the_api_server_calls_a_webhook_in_a_pod_through_its_service(
    lab: Cluster, namespace: str
) -> None:
    ca = pki.authority("hook")
    tls = pki.issue(ca, "hook", hosts=[f"hook.{namespace}.svc"])
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "tls"},
        "data": {
            "tls.crt": base64.b64encode(tls.cert).decode(),
            "tls.key": base64.b64encode(tls.key).decode(),
        },
    }
    server = pod("hook", "node-b", "python3", "-c", HOOK, secret="tls", port=8443)
    apply(lab, namespace, secret, server, service("hook", 443, 8443))
    lab.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/hook", "--timeout=60s")
    lab.apply(json.dumps(configuration(namespace, ca)))
    try:
        # the server learns of a new webhook a moment later: until then it is not called at all
        seen = ""
        for attempt in range(50):
            lab.kubectl("create", "configmap", f"c{attempt}", "-n", namespace)
            data = lab.get("configmap", f"c{attempt}", "-n", namespace).get("data") or {}
            if seen := data.get("seen", ""):
                break
        assert seen == "by the webhook"
    finally:
        lab.kubectl("delete", "mutatingwebhookconfiguration", namespace)
