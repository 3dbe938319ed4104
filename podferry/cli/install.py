"""`podferry install`: gives a cluster the manifests of cluster-setup.

Owns the order and the waiting; the manifests say everything else. Uses kubectl, because only it
builds a kustomization as users will.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from podferry.cli import exits, installed
from podferry.wire.names import SYSTEM_NAMESPACE

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "cluster-setup"
LAB_OVERLAY = MANIFESTS / "overlays" / "lab"
CRDS = tuple(
    f"customresourcedefinition/{plural}.podferry.dev" for plural in ("migrations", "rescuepolicies")
)
PARTS = ("deployment/podferry-controller", "daemonset/podferry-agent")
WAIT_SECONDS = 180
Progress = Callable[[str], None]


class InstallError(Exception):
    """Could not be installed or removed; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """A kubectl and the cluster it speaks to, as the beginning of a command line."""

    argv: tuple[str, ...]

    @classmethod
    def of_lab(cls, name: str) -> Kubectl:
        """The lab's own kubectl with its kubeconfig; LabError where it does not run."""
        from podferry.lab.cluster import inspect
        from podferry.lab.cluster.model import Lab

        return cls(tuple(inspect.kubectl_argv(Lab.named(name), ())))

    @classmethod
    def of_config(cls, kubeconfig: str | None, context: str | None) -> Kubectl:
        """The machine's kubectl; InstallError where there is none."""
        found = shutil.which("kubectl")
        if found is None:
            raise InstallError(
                "no kubectl on PATH; install it, or name a lab of this machine with --lab"
            )
        flags = [f"--kubeconfig={kubeconfig}"] if kubeconfig else []
        flags += [f"--context={context}"] if context else []
        return cls((found, *flags))

    def run(self, *args: str, data: str | None = None) -> str:
        """Run kubectl and return what it printed; InstallError with its own words."""
        done = subprocess.run(
            [*self.argv, *args], input=data, capture_output=True, text=True, check=False
        )
        if done.returncode:
            words = done.stderr.strip() or done.stdout.strip()
            raise InstallError(f"kubectl {' '.join(args)}: {words}")
        return done.stdout


def put(kubectl: Kubectl, folder: Path, progress: Progress, *, force: bool = False) -> None:
    """Apply the manifests and wait until controller and agents are ready.

    Raises:
        InstallError: refused, or not ready after WAIT_SECONDS, with what the pods say.
    """
    apply(kubectl, folder, progress, force=force)
    wait_ready(kubectl, progress)


def apply(kubectl: Kubectl, folder: Path, progress: Progress, *, force: bool = False) -> None:
    """Apply the manifests.

    Args:
        kubectl: of the cluster.
        folder: a kustomization.
        progress: gets a line a step.
        force: also over a release that is newer than this one.

    Raises:
        InstallError: no manifests, a newer release is installed, or the cluster refuses them.
    """
    if not (folder / "kustomization.yaml").exists():
        raise InstallError(f"no kustomization in {folder}; run from a clone of podferry")
    kubectl.run("version", "--request-timeout=10s", "-o", "json")
    why = "" if force else installed.refusal(installed.read(kubectl.run))
    if why:
        raise InstallError(why)
    progress(f"applying {folder}")
    kubectl.run("apply", "--server-side", "--force-conflicts", "-k", str(folder))
    kubectl.run("wait", "--for=condition=Established", *CRDS, "--timeout=60s")


def restart(kubectl: Kubectl) -> None:
    """Make new pods of controller and agents, for an image that changed under its tag."""
    for part in PARTS:
        kubectl.run("rollout", "restart", part, "-n", SYSTEM_NAMESPACE)


def wait_ready(kubectl: Kubectl, progress: Progress) -> None:
    """Return once controller and agents are ready; InstallError after WAIT_SECONDS."""
    for part in PARTS:
        progress(f"waiting for {part}")
        try:
            kubectl.run(
                "rollout", "status", part, "-n", SYSTEM_NAMESPACE, f"--timeout={WAIT_SECONDS}s"
            )
        except InstallError as error:
            raise InstallError(f"{part} is not ready: {error}\n{_pods(kubectl)}") from None
    progress("controller and agents are ready")


def _pods(kubectl: Kubectl) -> str:
    return kubectl.run("get", "pods", "-n", SYSTEM_NAMESPACE, "-o", "wide")


def options_of_cluster(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which cluster and which manifests, as `perform` takes them."""
    for option in (
        click.option("--context", help="Context of the kubeconfig. [default: current]"),
        click.option("--kubeconfig", help="A kubeconfig file. [default: kubectl's own]"),
        click.option("--lab", metavar="NAME", help="A lab of this machine instead."),
        click.option("--manifests", type=click.Path(path_type=Path, file_okay=False),
                     help="A kustomization. [default: cluster-setup, or its overlay for the lab]"),
    ):  # fmt: skip
        function = option(function)
    return function


@click.command()
@options_of_cluster
@click.option("--force", is_flag=True, help="Also over a release that is newer than this one.")
@click.pass_context
def install(ctx: click.Context, /, force: bool, **options: str | Path | None) -> None:
    """Install podferry into a cluster, or upgrade it, and wait until it is ready."""
    ctx.exit(perform(partial(put, force=force), options))


def perform(
    action: Callable[[Kubectl, Path, Progress], None], options: dict[str, str | Path | None]
) -> int:
    """Do it to the cluster that the options name. Returns the exit code; an error is one text."""
    from podferry.lab.cluster.errors import LabError

    lab, given = options["lab"], options["manifests"]
    if lab and (options["kubeconfig"] or options["context"]):
        raise click.UsageError("--lab names a cluster already; leave --kubeconfig and --context")
    try:
        if lab:
            kubectl = Kubectl.of_lab(str(lab))
        else:
            kubeconfig, context = options["kubeconfig"], options["context"]
            kubectl = Kubectl.of_config(
                str(kubeconfig) if kubeconfig else None, str(context) if context else None
            )
        folder = Path(given) if given else LAB_OVERLAY if lab else MANIFESTS
        action(kubectl, folder, lambda text: click.echo(text, err=True))
    except (InstallError, LabError) as error:
        click.echo(f"podferry: {error}", err=True)
        return exits.ENDED_OTHERWISE
    return exits.DONE
