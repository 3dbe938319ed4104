"""Compares ways of streaming a frozen container's memory, alternating, in a running lab.

    .venv/bin/python tools/spikes/page_stream.py --lab NAME --container ID [--runs 5]

ID: a running container of the lab's node-a, for instance one that keeps 1 GiB; its memory goes to
node-b. Ways: `plain` (criu both ends, for comparison only), `criu` (criu's own TLS both ends),
`own` (criu's TLS to page_receiver.py), `ready` (the same, over a file made ready beforehand),
`sender` (page_sender.py to page_receiver.py over a file made ready: what the agents do).
Prints every run, then for each way median and range: seconds of the dump, and CPU seconds of the
two ends within it. On a busy machine only the CPU seconds say something. Figures of
docs/decisions/0003 come from here. It measures only; the container runs on afterwards.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

from podferry.agent.uploads import make_ready
from podferry.lab.cluster import inspect
from podferry.lab.cluster.model import Lab
from podferry.runtime_wrapper import page_receiver, page_sender
from podferry.wire import names

WORK = "/var/lib/podferry-page-stream"
WAYS = ("plain", "criu", "own", "ready", "sender")
ROOT = "/run/containerd/runc/k8s.io"
LINES = ("ca.crt", "tls.crt", "tls.key")
FIELDS = ("dump s", "source CPU s", "target CPU s", "both CPU s")
CERTIFICATES = f"""
mkdir -p {WORK} && cd {WORK}
openssl ecparam -name prime256v1 -genkey -noout -out ca.key
openssl req -x509 -new -key ca.key -subj /CN=ca -days 2 -out ca.crt
openssl ecparam -name prime256v1 -genkey -noout -out tls.key
openssl req -new -key tls.key -subj /CN=agent -out agent.csr
echo subjectAltName=DNS:{names.AGENT_IDENTITY} > names
openssl x509 -extfile names -req -in agent.csr -CA ca.crt -CAkey ca.key -CAcreateserial \
  -days 2 -out tls.crt
"""
DUMP = """
config={work}/dump.conf; printf '{config}' > $config
rm -rf {work}/dump; mkdir -p {work}/dump
group=$(sed -n 's/.*"freezer":"\\([^"]*\\)".*/\\1/p' {root}/{container}/state.json)
echo FROZEN > $group/freezer.state
until grep -q FROZEN $group/freezer.state; do sleep 0.01; done
TIMEFORMAT='%R %U %S'
export CRIU_CONFIG_FILE=$config
time {carrier} runc --root {root} checkpoint --leave-running --tcp-established \
  --ext-unix-sk --file-locks --manage-cgroups-mode ignore {server} \
  --image-path {work}/dump --work-path {work}/dump {container}
code=$?; echo THAWED > $group/freezer.state; exit $code
"""


class Bench:
    """Two nodes of a lab and the container between them."""

    def __init__(self, lab: str, container: str, size: int) -> None:
        self.lab, self.container, self.size = Lab.named(lab), container, size
        self.port = 28000
        self.run("node-a", CERTIFICATES)
        for name in LINES:
            text = self.run("node-a", f"cat {WORK}/{name}")
            self.run("node-b", f"mkdir -p {WORK}; cat > {WORK}/{name}", text)
        for node, program in (("node-a", page_sender), ("node-b", page_receiver)):
            path = Path(program.__file__)
            self.run(node, f"cat > {WORK}/{path.name}", path.read_text())
        self.address = self.run("node-b", "hostname -I").split()[0]

    def run(self, node: str, script: str, stdin: str = "") -> str:
        """Output of a shell script on a node; the errors of one that failed end the program."""
        argv = inspect.exec_argv(self.lab, node, ["bash", "-c", script])
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{node}: {done.stderr or done.stdout}")
        return done.stdout + done.stderr

    def measure(self, way: str) -> tuple[float, ...]:
        """One dump; see FIELDS."""
        self.port += 1
        folder = f"{WORK}/images"
        self.run("node-b", f"rm -rf {folder}; mkdir -p {folder}")
        if way in ("ready", "sender"):
            self.make_ready(folder)
        argv = inspect.exec_argv(self.lab, "node-b", ["bash", "-c", self.server(way, folder)])
        with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as server:
            wait = f"until ss -Hltn sport = :{self.port} | grep -q .; do sleep 0.02; done"
            self.run("node-b", wait)
            config = "network-lock skip\\n"
            where, carrier = f"--page-server {self.address}:{self.port}", ""
            if way == "sender":
                config += "page-server\\nps-socket 9\\n"
                where, carrier = "", self.carrier()
            elif way != "plain":
                config += f"tls\\ntls-cacert {WORK}/ca.crt\\ntls-cert {WORK}/tls.crt\\n"
                config += f"tls-key {WORK}/tls.key\\ntls-no-cn-verify\\n"
            script = DUMP.format(
                work=WORK, root=ROOT, container=self.container, config=config,
                server=where, carrier=carrier,
            )  # fmt: skip
            seconds, *source = times(self.run("node-a", script))
            _, *target = times(server.communicate()[1])
        return seconds, sum(source), sum(target), sum(source) + sum(target)

    def carrier(self) -> str:
        """The sending end that runs the dump."""
        return (
            f"python3 -I -S {WORK}/page_sender.py --tls-dir {WORK} --identity"
            f" {names.AGENT_IDENTITY} --address {self.address} --port {self.port} --descriptor 9 --"
        )

    def server(self, way: str, folder: str) -> str:
        """The script of the receiving end; `time` tells its CPU."""
        tls = f"--tls --tls-cacert {WORK}/ca.crt --tls-cert {WORK}/tls.crt"
        tls += f" --tls-key {WORK}/tls.key --tls-no-cn-verify"
        common = f"--images-dir {folder} --port {self.port} --address 0.0.0.0"
        criu = f"criu page-server {common} {tls if way == 'criu' else ''}"
        own = f"python3 -I -S {WORK}/page_receiver.py {common} --tls-dir {WORK}"
        own += f" --identity {names.AGENT_IDENTITY}"
        return f"TIMEFORMAT='%R %U %S'; time {criu if way in ('plain', 'criu') else own}"

    def make_ready(self, folder: str) -> None:
        """What the agent does before a freeze, in the folder of the receiver."""
        fs = inspect.exec_argv(self.lab, "node-b", ["true"])
        root = f"/proc/{fs[fs.index('-t') + 1]}/root"
        make_ready(root + os.path.dirname(folder), self.size)


def times(text: str) -> list[float]:
    """Real, user and system seconds: the last line that `time` printed."""
    rows = [line.split() for line in text.splitlines()]
    found = [row for row in rows if len(row) == 3 and all(word[0].isdigit() for word in row)]
    return [float(word) for word in found[-1]]


def main() -> int:
    """Alternate the ways, their order turned round in every second round."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lab", required=True)
    parser.add_argument("--container", required=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--mebibytes", type=int, default=1088, help="room to make ready")
    options = parser.parse_args()
    ways = options.ways.split(",")
    bench = Bench(options.lab, options.container, options.mebibytes << 20)
    found: dict[str, list[tuple[float, ...]]] = {way: [] for way in ways}
    for number in range(options.runs):
        for way in ways if number % 2 == 0 else ways[::-1]:
            found[way].append(bench.measure(way))
            row = " ".join(f"{value:6.2f}" for value in found[way][-1])
            print(f"{number + 1} {way:6s} {row}  load {os.getloadavg()[0]:.1f}", flush=True)
    print(f"\n| way | n | {' | '.join(FIELDS)} |\n|---|---|{'---|' * len(FIELDS)}")
    for way, rows in found.items():
        cells = [
            f"{statistics.median(column):.2f} ({min(column):.2f}-{max(column):.2f})"
            for column in zip(*rows, strict=True)
        ]
        print(f"| {way} | {len(rows)} | {' | '.join(cells)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
