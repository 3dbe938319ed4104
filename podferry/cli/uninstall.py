"""`podferry uninstall`: refuses while it is in use, then takes everything away.

Owns the order: look, stop the controller, look again, undo the nodes, remove the API objects.
Never does: end a move that is under way; no option makes it.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import click

from podferry.cli import undo_nodes
from podferry.cli.install import (
    InstallError,
    Kubectl,
    Progress,
    options_of_cluster,
    perform,
)
from podferry.wire.names import LABEL_MIGRATABLE, RUNTIME_CLASS, SYSTEM_NAMESPACE

_CONTROLLER = "deployment/podferry-controller"
_WEBHOOK = "mutatingwebhookconfiguration/podferry"
_SYSTEM = ("-n", SYSTEM_NAMESPACE)


def _has_crd(kubectl: Kubectl) -> bool:
    name = "migrations.podferry.dev"
    return bool(kubectl.run("get", "crd", name, "--ignore-not-found", "-o", "name").strip())


def moving(kubectl: Kubectl) -> list[str]:
    """Migrations that have not ended; empty where the CRD is not there."""
    if not _has_crd(kubectl):
        return []
    found = json.loads(kubectl.run("get", "migrations.podferry.dev", "-A", "-o", "json"))
    from podferry.cli.follow import ended

    return [
        f"{item['metadata']['namespace']}/{item['metadata']['name']}"
        for item in found["items"]
        if not ended(item)
    ]


def users(kubectl: Kubectl) -> list[str]:
    """Pods that are not over and run under our RuntimeClass, `namespace/name`."""
    found = json.loads(kubectl.run("get", "pods", "-A", "-o", "json"))
    return sorted(
        f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        for pod in found["items"]
        if (pod.get("spec") or {}).get("runtimeClassName") == RUNTIME_CLASS
        and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    )


def take_away(kubectl: Kubectl, folder: Path, progress: Progress, *, force: bool = False) -> None:
    """Remove what `install` gave, from the nodes too.

    Raises InstallError while something is being moved; also while pods use the RuntimeClass, unless
    `force`: kubelet could not start a container of theirs again.
    """
    _refuse_used(kubectl, progress, force)
    _refuse_moving(kubectl)
    progress("removing migrations that are over")
    if _has_crd(kubectl):
        # Before the controller stops: it takes the finalizers off.
        kubectl.run("delete", "migrations.podferry.dev", "-A", "--all", "--timeout=60s")
    _stop(kubectl, progress)
    left = undo_nodes.everywhere(kubectl, progress, force=force)
    progress("removing the API objects")
    kubectl.run("delete", "--ignore-not-found", "--timeout=120s", "-k", str(folder))
    progress("removed")
    if left:
        raise InstallError(undo_nodes.told(left))


def _refuse_used(kubectl: Kubectl, progress: Progress, force: bool) -> None:
    using = users(kubectl)
    if not using:
        return
    listed = "".join(f"\n  {name}" for name in using)
    said = f"{len(using)} pods run under the RuntimeClass {RUNTIME_CLASS}:{listed}"
    if not force:
        raise InstallError(
            f"{said}\nTake the label {LABEL_MIGRATABLE} out of their templates and re-create "
            "them, or use --force: they run on, but none of their containers could be started "
            "again. Nothing was touched"
        )
    progress(said)


def _refuse_moving(kubectl: Kubectl) -> None:
    if busy := moving(kubectl):
        raise InstallError(
            f"{len(busy)} migrations are going on ({', '.join(busy)}); cancel them (podferry "
            "cancel NAME -n NAMESPACE) or wait for their end (podferry list -A). --force does not "
            "end them"
        )


def _stop(kubectl: Kubectl, progress: Progress) -> None:
    """End the controller and its webhook; undone when a Migration was made since we looked."""
    replicas = kubectl.run(
        "get", _CONTROLLER, *_SYSTEM, "--ignore-not-found", "-o", "jsonpath={.spec.replicas}"
    ).strip()
    if replicas:
        progress("stopping the controller")
        kubectl.run("scale", _CONTROLLER, *_SYSTEM, "--replicas=0")
        try:
            _refuse_moving(kubectl)
        except InstallError:
            kubectl.run("scale", _CONTROLLER, *_SYSTEM, f"--replicas={replicas}")
            raise
    kubectl.run("delete", _WEBHOOK, "--ignore-not-found")


@click.command()
@click.option(
    "--force", is_flag=True, help="Also while pods use the RuntimeClass; they are listed."
)
@options_of_cluster
@click.pass_context
def uninstall(ctx: click.Context, /, force: bool, **options: str | Path | None) -> None:
    """Remove podferry from a cluster and its nodes; refused while it moves or runs something."""
    ctx.exit(perform(partial(take_away, force=force), options))
