"""One conversation with the API server: options, connection, and errors as exit codes.

Every command that talks to a cluster goes through `talk`; no command makes its own connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from podferry.cli import exits
from podferry.kube import errors
from podferry.kube.client import ApiClient

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Cluster:
    """Which cluster and namespace a person means; empty values: the kubeconfig's own."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None

    def flags(self) -> str:
        """The same choice as options, for a command that is shown to be copied."""
        text = ""
        if self.namespace:
            text += f" -n {self.namespace}"
        if self.kubeconfig:
            text += f" --kubeconfig {self.kubeconfig}"
        if self.context:
            text += f" --context {self.context}"
        return text


def cluster_options(function: F) -> F:
    """Add --kubeconfig and --context."""
    function = click.option("--context", help="Context of the kubeconfig. [default: current]")(
        function
    )
    return click.option(
        "--kubeconfig", help="A kubeconfig file. [default: $KUBECONFIG, then ~/.kube/config]"
    )(function)


def namespace_option(function: F) -> F:
    """Add -n/--namespace."""
    return click.option("-n", "--namespace", help="Namespace. [default: of the kubeconfig]")(
        function
    )


async def connect(cluster: Cluster) -> ApiClient:
    """Return a client for the cluster that is meant; tests put a fake in its place."""
    return await ApiClient.connect(kubeconfig=cluster.kubeconfig, context=cluster.context)


def talk(cluster: Cluster, job: Callable[[ApiClient, str], Awaitable[T]]) -> T:
    """Run `job(client, namespace)`; a failure is one line on standard error and an exit code.

    Raises:
        click.exceptions.Exit: 3 where nothing answers, 1 where the server refused, see `exits`.
        KeyboardInterrupt: handed on; the command says what goes on.
    """

    async def run() -> T:
        client = await connect(cluster)
        async with client:
            return await job(client, cluster.namespace or client.default_namespace)

    try:
        return asyncio.run(run())
    except errors.ApiError as error:
        click.echo(f"podferry: {error.message}{_hint(error)}", err=True)
        raise click.exceptions.Exit(code_of(error)) from error


def _hint(error: errors.ApiError) -> str:
    # The server knows no path of ours: it answers without a reason, as plain text.
    unknown = isinstance(error, errors.NotFound) and error.reason == "HTTP404"
    return "; podferry is not installed there: podferry install" if unknown else ""


def code_of(error: errors.ApiError) -> int:
    """Exit code for an error of the API server."""
    unreachable = isinstance(error, errors.ConnectionFailed)
    return exits.UNREACHABLE if unreachable else exits.ENDED_OTHERWISE
