"""A lab as tests use it: kubectl, apply, exec, and waiting for what the cluster says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podferry.lab.cluster import inspect
from podferry.lab.cluster.model import Lab

PODFERRY_LAB = (sys.executable, "-m", "podferry.lab.cli")


def podferry_lab(*argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `podferry lab ARGV` as a user does."""
    done = subprocess.run([*PODFERRY_LAB, *argv], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"lab {argv}: exit {done.returncode}: {done.stderr or done.stdout}")
    return done


@dataclass(frozen=True)
class Cluster:
    """A running lab."""

    lab: Lab

    @property
    def name(self) -> str:
        """The lab's name, for --name."""
        return self.lab.name

    @property
    def kubeconfig(self) -> Path:
        """Administrator, works on this machine."""
        return self.lab.kubeconfig

    def kubectl(self, *argv: str, stdin: str | None = None, check: bool = True) -> str:
        """Output of kubectl; an AssertionError carries its error."""
        command = inspect.kubectl_argv(self.lab, argv)
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"kubectl {argv}: {done.stderr}")
        return done.stdout if not done.returncode else done.stdout + done.stderr

    def get(self, *argv: str) -> Any:
        """An object or a list as kubectl prints it in JSON."""
        return json.loads(self.kubectl("get", *argv, "-o", "json"))

    def apply(self, text: str) -> None:
        """Apply YAML."""
        self.kubectl("apply", "-f", "-", stdin=text)

    def wait_ready(self, *pods: str, seconds: int = 60) -> None:
        """Until these pods are Ready."""
        names = [f"pod/{pod}" for pod in pods]
        self.kubectl("wait", "--for=condition=Ready", *names, f"--timeout={seconds}s")

    def exec(self, node: str, argv: list[str], check: bool = True) -> str:
        """Output of a command inside a node (or the box `control`)."""
        command = inspect.exec_argv(self.lab, node, argv)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"{node}: {argv}: exit {done.returncode}: {done.stderr}")
        return done.stdout

    def load_image(self, path: Path) -> None:
        """Import an archive into every node."""
        podferry_lab("load-image", str(path), "--name", self.name)


def why_not() -> str:
    """Why this machine cannot run a lab; empty where it can."""
    return "" if os.geteuid() == 0 else "the lab needs root"
