"""What an agent reports of memory beside what the kubelet of that node says of itself."""

from __future__ import annotations

import calendar
import json
import re
import time
from dataclasses import dataclass
from typing import Any

import pytest

from podferry.api.quantity import parse_bytes
from podferry.wire import names
from podferry.wire.memory import MEMORY, Report
from tests.lab.cluster import Cluster

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]
NODE = "node-a"
MIB = 1 << 20

# Runs in the box of the control plane: one question to an agent, with a certificate from argv.
_ASK = """
import base64, http.client, json, os, ssl, sys, tempfile
host, port, path, tls = sys.argv[1:]
folder = tempfile.mkdtemp()
for key, value in json.loads(tls).items():
    with open(os.path.join(folder, key), "wb") as out:
        out.write(base64.b64decode(value))
context = ssl.create_default_context(cafile=f"{folder}/ca.crt")
context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
context.check_hostname = False
link = http.client.HTTPSConnection(host, int(port), context=context, timeout=90)
link.request("GET", path)
answer = link.getresponse()
print(json.dumps({"status": answer.status, "body": json.loads(answer.read())}))
"""

_METRICS = (
    "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9551/metrics').read().decode())"
)


@dataclass(frozen=True)
class Agent:
    """The agent of one node, asked as one who has the certificate in `secret`."""

    cluster: Cluster
    node: str = NODE
    secret: str = "podferry-controller-tls"

    def ask(self, query: str) -> tuple[int, dict[str, Any]]:
        data = self.cluster.get("secret", self.secret, "-n", "podferry-system")["data"]
        address = next(
            each["address"]
            for each in self.cluster.get("node", self.node)["status"]["addresses"]
            if each["type"] == "InternalIP"
        )
        said = json.loads(
            self.cluster.exec(
                "control",
                [
                    *["python3", "-I", "-c", _ASK, address, str(names.AGENT_PORT)],
                    *[f"{MEMORY}?{query}", json.dumps(data)],
                ],
            )
        )
        return said["status"], said["body"]

    def report(self, query: str) -> Report:
        status, body = self.ask(query)
        assert status == 200, body
        return Report.from_dict(body)


def kubelet(cluster: Cluster, path: str) -> Any:
    return json.loads(cluster.kubectl("get", "--raw", f"/api/v1/nodes/{NODE}/proxy/{path}"))


def when(text: str) -> float:
    """Unix time of a moment that kubelet gives in whole seconds."""
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


def difference(cluster: Cluster) -> float:
    """How far kubelet's availableBytes is outside of our samples of that moment [bytes].

    kubelet gives the moment in whole seconds, so those of a second before and after it count.
    """
    agent = Agent(cluster)
    deadline = time.monotonic() + 60
    while True:
        memory = kubelet(cluster, "stats/summary")["node"]["memory"]
        report = agent.report("soft=100&history=120")
        asked = time.time()
        at = when(memory["time"])
        near = [value for age, value in report.samples if -1.5 <= asked - age - at <= 2.5]
        if len(near) >= 3:
            break
        assert time.monotonic() < deadline, (memory, report.samples[:1], asked)
        time.sleep(1)
    used = report.capacity - memory["availableBytes"]
    print(f"kubelet {used / MIB:.2f} MiB used, agent {min(near) / MIB:.2f}-{max(near) / MIB:.2f}")
    return max(min(near) - used, used - max(near), 0.0)


def test_available_memory_is_the_one_by_which_kubelet_evicts(ferry: Cluster) -> None:
    """Within 2 MiB of what was sampled around kubelet's own moment; a busy node is asked again."""
    found: list[float] = []
    while not found or found[-1] > 2 * MIB:
        assert len(found) < 5, [f"{each / MIB:.2f} MiB" for each in found]
        found.append(difference(ferry))


def of_pods(cluster: Cluster) -> tuple[float, float]:
    """What pods have left of their limit: kubelet's, and the agent's as if it were the node's."""
    containers = kubelet(cluster, "stats/summary")["node"]["systemContainers"]
    memory = next(each["memory"] for each in containers if each["name"] == "pods")
    text = cluster.exec(NODE, ["python3", "-I", "-c", _METRICS])
    found = re.search(r"^podferry_agent_memory_allocatable_available_bytes (\S+)$", text, re.M)
    assert found is not None
    return float(memory["availableBytes"]), float(found[1])


def test_what_pods_have_left_of_their_limit_is_kubelets_second_signal(ferry: Cluster) -> None:
    deadline = time.monotonic() + 60
    while True:
        theirs, ours = of_pods(ferry)
        if abs(theirs - ours) < 4 * MIB:
            return
        assert time.monotonic() < deadline, (theirs, ours)
        time.sleep(2)


def test_the_threshold_is_the_one_that_kubelet_runs_with(ferry: Cluster) -> None:
    config = kubelet(ferry, "configz")["kubeletconfig"]
    report = Agent(ferry).report("soft=0&horizon=0")
    assert report.eviction == parse_bytes(config["evictionHard"]["memory.available"])
    assert report.eviction_source == "/etc/kubernetes/kubelet.yaml"
    capacity = ferry.get("node", NODE)["status"]["capacity"]["memory"]
    assert report.capacity == parse_bytes(capacity)
    assert not report.urgent


def test_every_pod_of_the_node_is_told_by_its_uid(ferry: Cluster) -> None:
    deadline = time.monotonic() + 60
    while True:
        pods = kubelet(ferry, "stats/summary")["pods"]
        theirs = {each["podRef"]["uid"]: each["memory"]["workingSetBytes"] for each in pods}
        ours = {each.uid: each for each in Agent(ferry).report("").pods}
        same = theirs.keys() == ours.keys() and all(
            abs(ours[uid].working_set - size) < max(4 * MIB, 0.2 * size)
            for uid, size in theirs.items()
        )
        if same and theirs:
            return
        assert time.monotonic() < deadline, (theirs, ours)
        time.sleep(2)


def test_only_the_controller_is_told(ferry: Cluster) -> None:
    status, body = Agent(ferry, secret="podferry-agent-tls").ask("")
    assert (status, body["reason"]) == (403, "Forbidden")
