"""etcd, kube-apiserver and KWOK inside the cage: how they are started, ended and known to be ready.

Owns their processes and certificates. The programs are the lab's own; there is no scheduler and no
controller manager, because pods are made bound and nothing is to change by itself.
"""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from podferry.lab import parts
from podferry.lab.cluster import pki
from podferry.lab.parts import build, golang
from tools.bench_scale.cage import CONTROL_IP, FOLDER

PORT = 6443
SERVER = f"https://127.0.0.1:{PORT}"
ETCD = "127.0.0.1:2379"
READY_SECONDS = 120.0


class PlaneError(Exception):
    """A component does not run; the text has its last words."""


@dataclass(slots=True)
class Plane:
    """The control plane. Make it, then `start`."""

    etcd: Path
    bin_dir: Path
    kwok: Path
    folder: Path = FOLDER
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    """By the name of the component."""

    @property
    def kubeconfig(self) -> Path:
        """Of an administrator."""
        return self.folder / "admin.conf"

    def start(self) -> None:
        """Start etcd and the API server and wait for them. Raises PlaneError."""
        _certificates(self.folder, self.kubeconfig)
        self.run("etcd", self._etcd())
        self.start_apiserver()

    def start_apiserver(self, keep: tuple[str, ...] = ()) -> None:
        """Start the API server and wait until it is ready; those in `keep` may end meanwhile.

        Raises:
            PlaneError: another component ended, or it takes too long.
        """
        self.run("kube-apiserver", self._apiserver())
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            self.check(keep)
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(  # noqa: S310 - a fixed address of the cage
                    f"{SERVER}/readyz", timeout=2, context=context
                ),
            ):
                return
            time.sleep(0.2)
        raise PlaneError(f"kube-apiserver is not ready after {READY_SECONDS:.0f} s{self._words()}")

    def start_kwok(self) -> None:
        """Start KWOK for the nodes that carry its annotation."""
        config = self.folder / "kwok.yaml"
        config.write_text("apiVersion: config.kwok.x-k8s.io/v1alpha1\nkind: KwokConfiguration\n")
        argv = [str(self.kwok), f"--kubeconfig={self.kubeconfig}", f"--config={config}",
                "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
                "--cidr=10.32.0.1/11", "--node-lease-duration-seconds=400",
                "--server-address=127.0.0.1:10247", "--v=ERROR"]  # fmt: skip
        self.run("kwok", argv)

    def kubectl(self, *arguments: str, data: str | None = None) -> str:
        """Run kubectl as administrator. Raises PlaneError with its words."""
        argv = [str(self.bin_dir / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(argv, input=data, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PlaneError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def run(
        self, name: str, argv: list[str], env: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a component; its words go to a file in the folder."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=Path(__file__).resolve().parents[2],
                env={**os.environ, **(env or {})},
            )
        self.running[name] = process
        return process

    def end(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """End a component and wait for it."""
        process = self.running.pop(name, None)
        if process is not None:
            process.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=20)
            process.kill()
            process.wait()

    def check(self, besides: tuple[str, ...] = ()) -> None:
        """Raise PlaneError if a component ended by itself, `besides` left out."""
        for name, process in self.running.items():
            if name not in besides and process.poll() is not None:
                raise PlaneError(f"{name} ended with {process.returncode}{self._words(name)}")

    def log(self, name: str) -> str:
        """All words of a component."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def _words(self, *names: str) -> str:
        lines = [f"\n{name}: {line}" for name in names or self.running
                 for line in self.log(name).splitlines()[-5:]]  # fmt: skip
        return "".join(lines)

    def _etcd(self) -> list[str]:
        return [str(self.etcd), f"--data-dir={self.folder / 'etcd'}", "--unsafe-no-fsync",
                f"--listen-client-urls=http://{ETCD}", f"--advertise-client-urls=http://{ETCD}",
                "--listen-peer-urls=http://127.0.0.1:2380", "--log-level=warn",
                "--quota-backend-bytes=6442450944"]  # fmt: skip

    def _apiserver(self) -> list[str]:
        here = self.folder
        return [
            str(self.bin_dir / "kube-apiserver"),
            f"--etcd-servers=http://{ETCD}",
            "--service-cluster-ip-range=10.96.0.0/16",
            # It taints new nodes as not ready, and no controller manager is here to undo that.
            "--disable-admission-plugins=TaintNodesByCondition",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={here}/sa.key",
            f"--service-account-key-file={here}/sa.pub",
            f"--tls-cert-file={here}/apiserver.crt",
            f"--tls-private-key-file={here}/apiserver.key",
            f"--client-ca-file={here}/ca.crt",
            "--authorization-mode=RBAC",
            "--allow-privileged=true",
            "--bind-address=127.0.0.1",
            f"--advertise-address={CONTROL_IP}",
            f"--secure-port={PORT}",
        ]


@contextlib.contextmanager
def started() -> Iterator[Plane]:
    """A running control plane; its programs are built first where the cache lacks them."""
    made = parts.ensure(progress=_silent)
    kwok = build.program_folder(golang.KWOK, progress=_silent) / "kwok"
    plane = Plane(etcd=made.node_root / "usr/bin/etcd", bin_dir=made.bin_dir, kwok=kwok)
    try:
        plane.start()
        yield plane
    finally:
        for name in [*plane.running][::-1]:
            plane.end(name, signal.SIGKILL)


def _silent(_text: str) -> None:
    """What is built was said outside already."""


def _certificates(folder: Path, kubeconfig: Path) -> None:
    authority = pki.authority("bench-scale")
    (folder / "ca.crt").write_bytes(authority.pem)
    hosts = ("127.0.0.1", CONTROL_IP, "kubernetes.default.svc")
    pki.issue(authority, "kube-apiserver", hosts=hosts).write(folder, "apiserver")
    key = pki.new_key()
    pki.secret(folder / "sa.key", pki.key_pem(key))
    (folder / "sa.pub").write_bytes(pki.public_pem(key))
    admin = pki.issue(authority, "admin", groups=("system:masters",))
    user = {"client-certificate-data": _text(admin.cert), "client-key-data": _text(admin.key)}
    write_kubeconfig(kubeconfig, authority.pem, user)


def write_kubeconfig(path: Path, authority: bytes, user: dict[str, str]) -> None:
    """Write a kubeconfig for the API server with these credentials."""
    cluster = {"server": SERVER, "certificate-authority-data": _text(authority)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": cluster}],
        "users": [{"name": "it", "user": user}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "current-context": "it",
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
