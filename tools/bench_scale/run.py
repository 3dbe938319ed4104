"""The world of a measurement: builds it in the cage, starts the controller, reads figures."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from podferry.kube import paths
from podferry.kube.client import ApiClient
from podferry.wire import names
from tools.bench_scale import fill, meter
from tools.bench_scale.fill import Say
from tools.bench_scale.objects import Size
from tools.bench_scale.plane import ETCD, Plane, write_kubeconfig

ROOT = Path(__file__).resolve().parents[2]
AGENT_SECRET = "podferry-agent-tls"  # noqa: S105 - the name of a Secret
IN_STEP = "stores are in step"
"""What the leader logs after its first sync."""
Figures = dict[str, Any]


@dataclass(slots=True)
class Bench:
    """One world and what was measured in it."""

    plane: Plane
    client: ApiClient
    size: Size
    say: Say
    bare: bool = False
    """Without KWOK: pods stay pending, so nothing can be moved."""
    figures: Figures = field(default_factory=dict)

    async def build(self) -> None:
        """Fill the cluster, install podferry's manifests, start KWOK and the played agents."""
        runtime = ROOT / "cluster-setup/base/runtimeclass.yaml"
        self.plane.kubectl("apply", "--server-side", "-f", str(runtime))
        if not self.bare:
            self.plane.start_kwok()
        self.figures["made_seconds"] = await fill.fill(self.client, self.size, self.say)
        if not self.bare:
            self.say("KWOK makes the pods run, which takes minutes")
            waited = await fill.wait_running(self.client, self.size)
            self.figures["running_seconds"] = round(waited, 1)
        self.figures["etcd_bytes"] = _etcd_bytes()
        self._install()
        await self._certificates()
        pods = await fill.uids_by_node(self.client)
        file = self.plane.folder / "pods.json"
        file.write_text(json.dumps(pods))
        argv = [sys.executable, "-m", "tools.bench_scale.agents", str(file)]
        self.plane.run("agents", [*argv, str(self.plane.folder / "agent-tls")])
        for _ in range(300):
            self.plane.check()
            if _answers():
                break
            await asyncio.sleep(0.1)

    def _install(self) -> None:
        """podferry's manifests; its webhooks are emptied, for no Service leads to it here."""
        folder = str(ROOT / "cluster-setup")
        self.plane.kubectl("apply", "--server-side", "-k", folder)
        for kind in ("mutating", "validating"):
            path = paths.webhookconfigurations(kind=kind).rpartition("/")[2]
            for found in self.plane.kubectl("get", path, "-o", "name").split():
                self.plane.kubectl("patch", found, "--type=merge", "-p", '{"webhooks":[]}')
        account = ["create", "token", "podferry-controller", "-n", names.SYSTEM_NAMESPACE]
        token = self.plane.kubectl(*account, "--duration=24h").strip()
        authority = (self.plane.folder / "ca.crt").read_bytes()
        write_kubeconfig(self.plane.folder / "controller.conf", authority, {"token": token})

    async def _certificates(self) -> None:
        """Let a first controller make the certificates, and give the agents theirs."""
        self.start_controller()
        path = paths.secrets(names.SYSTEM_NAMESPACE, AGENT_SECRET)
        for _ in range(600):
            self.keep_controller()
            found = await self.client.list(paths.secrets(names.SYSTEM_NAMESPACE))
            if any(item["metadata"]["name"] == AGENT_SECRET for item in found["items"]):
                break
            await asyncio.sleep(0.1)
        data = (await self.client.get(path))["data"]
        folder = self.plane.folder / "agent-tls"
        folder.mkdir()
        for name, value in data.items():
            (folder / name).write_bytes(base64.b64decode(value))
        await self.in_step()
        self.plane.end("controller")

    def start_controller(self) -> None:
        """Start the controller as its pod would."""
        podferry = Path(sys.executable).parent / "podferry"
        conf, certificates = self.plane.folder / "controller.conf", self.plane.folder / "tls"
        argv = [str(podferry), "controller", "--kubeconfig", str(conf), "--identity", "bench",
                "--tls-dir", str(certificates)]  # fmt: skip
        prefix = os.environ.get("BENCH_SCALE_CONTROLLER", "").split()
        self.plane.run("controller", [*prefix, *argv])

    def keep_controller(self) -> None:
        """Start the controller again if it ended, as kubelet would; counts how often."""
        process = self.plane.running["controller"]
        if process.poll() is not None:
            self.figures["controller_restarts"] = self.figures.get("controller_restarts", 0) + 1
            self.start_controller()

    async def in_step(self) -> float:
        """Wait for the first sync of the controller that was started last; seconds it took."""
        began = time.monotonic()
        before = self.plane.log("controller").count(IN_STEP)
        while self.plane.log("controller").count(IN_STEP) == before:
            self.keep_controller()
            await asyncio.sleep(0.05)
        return time.monotonic() - began

    @property
    def pid(self) -> int:
        """Of the controller."""
        return self.plane.running["controller"].pid

    async def sample(self, name: str, seconds: float) -> Figures:
        """Measure the controller and its surroundings for a while."""
        pids = {each: process.pid for each, process in self.plane.running.items()}
        meter.forget_peak(self.pid)
        asked = seen()["answered"]
        first = {each: meter.read(pid) for each, pid in pids.items()}
        await asyncio.sleep(seconds)
        self.plane.check()
        last = {each: meter.read(pid) for each, pid in pids.items()}
        answered = seen()["answered"]
        found = {
            "seconds": seconds,
            "cores": {each: round(meter.cores(first[each], last[each]), 3) for each in pids},
            "rss": {each: last[each].rss for each in pids},
            "peak": last["controller"].peak,
            "answered_per_second": {
                path: round((count - asked.get(path, 0)) / seconds, 2)
                for path, count in answered.items()
            },
        }
        self.figures[name] = found
        mib = found["rss"]["controller"] / (1 << 20)  # type: ignore[index]
        self.say(f"{name}: {found['cores']} cores, controller {mib:.0f} MiB")
        return found


def seen() -> Any:
    """What the played agents answered, and when they first reported pressure."""
    with urllib.request.urlopen("http://127.0.0.1:9600/seen", timeout=10) as answer:
        return json.loads(answer.read())


def press(nodes: list[str]) -> None:
    """Put exactly these nodes under pressure."""
    body = json.dumps({"nodes": nodes}).encode()
    urllib.request.urlopen("http://127.0.0.1:9600/press", data=body, timeout=30).close()


def _answers() -> bool:
    try:
        seen()
    except OSError:
        return False
    return True


def _etcd_bytes() -> int:
    with urllib.request.urlopen(f"http://{ETCD}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith("etcd_mvcc_db_total_size_in_use_in_bytes"):
                return int(float(line.split()[1]))
    return 0
