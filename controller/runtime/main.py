"""The controller process: certificates, webhook and health on every replica, the loop on one.

Owns wiring and the order of start and end; decides nothing. A replica that loses leadership ends
with a non-zero code and is started again: nothing in memory is worth keeping.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from podferry.api import serde
from podferry.api.clock import SystemClock
from podferry.controller.core.advance import advance
from podferry.controller.core.view import Limits
from podferry.controller.runtime import rescue_wiring
from podferry.controller.runtime.agent_client import AgentClient, use_small_read_buffers
from podferry.controller.runtime.certificates import CertificateFiles
from podferry.controller.runtime.ending import Ending, frozen
from podferry.controller.runtime.executor import Executor
from podferry.controller.runtime.expirer import Expirer
from podferry.controller.runtime.facts_publisher import FactsPublisher
from podferry.controller.runtime.health import HealthServer
from podferry.controller.runtime.insight import InsightServer
from podferry.controller.runtime.loop import ControllerLoop
from podferry.controller.runtime.metrics import Metrics
from podferry.controller.runtime.move_records import MoveRecords
from podferry.controller.runtime.node_view import address_of
from podferry.controller.runtime.observe import NodeObserver, Observations
from podferry.controller.runtime.pki import CertificateKeeper
from podferry.controller.runtime.reconciler import Codec, NotLeading, Reconciler
from podferry.controller.runtime.sweeper import Sweeper
from podferry.controller.runtime.view_builder import ViewBuilder
from podferry.controller.runtime.viewers import Viewers
from podferry.controller.webhooks.evictions import EvictionWebhook
from podferry.controller.webhooks.handler import PodWebhook
from podferry.controller.webhooks.rescue_policies import RescuePolicyWebhook
from podferry.kube.admission import AdmissionServer
from podferry.kube.client import ApiClient
from podferry.kube.events import EventRecorder
from podferry.kube.lease import LeaderElector, LeadershipLost
from podferry.wire import names

LEASE_SECONDS, RENEW_SECONDS, RETRY_SECONDS = 8.0, 5.0, 1.0
"""Shorter than usual: when the leader dies in the middle of a move, a workload stays frozen until
another replica may lead [s]."""
SWITCH_SECONDS = 0.0002
"""A look at a large cluster runs in a thread of its own. Each system call of the event loop lets go
of the interpreter, and gets it back only after this time: with Python's 5 ms a thousand connections
took so long that the lease was lost [s]."""
KEEP_FINISHED = 500
"""Finished Migrations of a namespace that stay without a ttl; some 10 KB each in the API server."""

_log = structlog.get_logger(__name__)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the controller's arguments."""
    it = argparse.ArgumentParser(prog="podferry controller", description=__doc__)
    it.add_argument("--namespace", default=os.environ.get("POD_NAMESPACE", names.SYSTEM_NAMESPACE))
    it.add_argument("--identity", default=os.environ.get("POD_NAME") or socket.gethostname())
    it.add_argument("--kubeconfig", default=None, help="default: the usual places, then the pod's")
    it.add_argument("--tls-dir", type=Path, default=Path("/run/podferry-tls"))
    it.add_argument("--service", default="podferry-webhook", help="Service of the webhook")
    it.add_argument("--webhook-configuration", default="podferry")
    it.add_argument("--eviction-configuration", default="podferry-evictions")
    it.add_argument("--service-account", default="podferry-controller")
    it.add_argument("--webhook-port", type=int, default=names.WEBHOOK_PORT)
    it.add_argument("--metrics-port", type=int, default=names.CONTROLLER_METRICS_PORT)
    it.add_argument("--insight-port", type=int, default=names.INSIGHT_PORT)
    it.add_argument(
        "--keep-finished",
        type=int,
        default=KEEP_FINISHED,
        help="finished Migrations that stay in each namespace, the latest; 0: any number",
    )
    for way, what in (("out", "off"), ("in", "onto")):
        it.add_argument(
            f"--moves-{way}-per-node",
            type=_at_least_one,
            default=2,
            metavar="N",
            help=f"moves {what} one node at once, the others wait (default: 2)",
        )
    it.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    return it


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} would stop every move; at least 1")
    return number


def run_controller(argv: list[str]) -> int:
    """Run one replica until it is told to end. Returns the exit code (1: start it again)."""
    options = parser().parse_args(argv)
    configure_logs(options.log_level)
    use_small_read_buffers()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        asyncio.run(_until_signal(options))
    except LeadershipLost as error:
        _log.error("ending, the next start campaigns again", why=str(error))
        return 1
    except asyncio.CancelledError:
        return 0
    return 0


def configure_logs(level: str) -> None:
    """One JSON object a line, on standard output."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
    )


async def _until_signal(options: argparse.Namespace) -> None:
    """Serve until SIGTERM, which ends it in order, or SIGINT, which cancels it."""
    ending = Ending()
    task = asyncio.ensure_future(serve(options, ending))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(
        signal.SIGTERM, lambda: ending.tell() if ending.serving else task.cancel()
    )
    loop.add_signal_handler(signal.SIGINT, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


async def serve(options: argparse.Namespace, ending: Ending) -> None:
    """Serve webhook and health, and lead when it is our turn. Raises LeadershipLost."""
    clock = SystemClock(monotonic=asyncio.get_running_loop().time)
    rng = random.Random()  # noqa: S311 - jitter, not secrets
    metrics = Metrics()
    not_ready = ["certificates are being made"]
    health = HealthServer(
        metrics,
        ready=lambda: "this replica is ending" if ending.told else not_ready[0],
        port=options.metrics_port,
    )
    await health.start()
    async with await ApiClient.connect(kubeconfig=options.kubeconfig) as client:
        keeper = CertificateKeeper(client, options.namespace, service=options.service, clock=clock)
        files = CertificateFiles(
            keeper,
            options.tls_dir,
            metrics,
            configuration=options.webhook_configuration,
            evictions=options.eviction_configuration,
        )
        await files.first()
        agents = AgentClient(
            ca_file=files.ca,
            cert_file=files.controller_cert,
            key_file=files.controller_key,
            clock=clock,
        )
        webhook = _webhook(client, options, clock, metrics, files, ending)
        await webhook.start()
        not_ready[0] = ""
        _log.info("serving", webhook_port=webhook.port, metrics_port=health.port)
        elector = _elector(client, options, clock, rng)
        insight = _insight(client, options, clock, elector)
        await insight.start()
        keeping = asyncio.create_task(files.keep(on_renewal=agents.reload))
        ending.serving = True
        try:
            lead = elector.run(
                lambda: _lead(
                    client, agents, elector, options, clock, rng, metrics, ending, insight
                )
            )
            await ending.end_in_order(asyncio.ensure_future(lead))
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])
            await webhook.stop()
            await insight.stop()
            await agents.close()
            await health.stop()


def _elector(
    client: ApiClient, options: argparse.Namespace, clock: SystemClock, rng: random.Random
) -> LeaderElector:
    return LeaderElector(
        client,
        options.namespace,
        names.CONTROLLER_LEASE,
        options.identity,
        clock=clock,
        rng=rng,
        lease_duration=LEASE_SECONDS,
        renew_deadline=RENEW_SECONDS,
        retry_period=RETRY_SECONDS,
    )


def _insight(
    client: ApiClient, options: argparse.Namespace, clock: SystemClock, elector: LeaderElector
) -> InsightServer:
    return InsightServer(
        Viewers(client, clock, namespace=options.namespace),
        identity=options.identity,
        leader=lambda: elector.holder,
        clock=clock,
        port=options.insight_port,
    )


def _webhook(
    client: ApiClient,
    options: argparse.Namespace,
    clock: SystemClock,
    metrics: Metrics,
    files: CertificateFiles,
    ending: Ending,
) -> AdmissionServer:
    who: dict[str, Any] = {
        "clock": clock,
        "parse": serde.parse_migration,
        "own_user": f"system:serviceaccount:{options.namespace}:{options.service_account}",
        "count": lambda verdict: metrics.admissions.labels(verdict).inc(),
    }
    handler = PodWebhook(client, **who)
    server = AdmissionServer(
        cert_file=files.webhook_cert,
        key_file=files.webhook_key,
        port=options.webhook_port,
        ending=lambda: ending.told,
    )
    server.register("/mutate-pods", handler.mutate_pod)
    server.register("/guard-pods", handler.guard_pod)
    policies = RescuePolicyWebhook(client, count=who["count"])
    server.register("/validate-rescuepolicies", policies.validate)
    server.register(files.eviction_call, EvictionWebhook(client, **who).evict)
    return server


async def _lead(
    client: ApiClient,
    agents: AgentClient,
    elector: LeaderElector,
    options: argparse.Namespace,
    clock: SystemClock,
    rng: random.Random,
    metrics: Metrics,
    ending: Ending,
    insight: InsightServer,
) -> None:
    """Do the leader's work until cancelled. Raises LeadershipLost."""
    observations = Observations(clock)
    events = EventRecorder(client, "controller", clock, instance=options.identity)
    executor = Executor(client, agents, observations, events, clock)
    loop = ControllerLoop(
        client, clock=clock, rng=rng, metrics=metrics, parse=serde.parse_migration
    )
    publisher = FactsPublisher(
        client,
        observations,
        lambda: [str(node["metadata"]["name"]) for node in loop.stores.nodes.list()],
        namespace=options.namespace,
        clock=clock,
        on_error=lambda reason: metrics.facts_errors.labels(reason).inc(),
    )
    observer = _observer(agents, observations, loop, metrics, publisher)
    builder = ViewBuilder(
        client,
        agents,
        loop.stores,
        observations,
        observer,
        clock=clock,
        parse=serde.parse_migration,
        limits=Limits(options.moves_out_per_node, options.moves_in_per_node),
        ending=lambda: ending.told,
    )
    reconciler = Reconciler(
        client,
        builder,
        executor,
        observations,
        metrics,
        advance=advance,
        codec=Codec(serde.parse_migration, serde.status_to_dict),
        clock=clock,
        is_leader=lambda: elector.is_leader,
    )
    loop.attach(reconciler)
    expirer = Expirer(
        client,
        loop.stores.migrations.list,
        clock=clock,
        parse=serde.parse_migration,
        is_leader=lambda: elector.is_leader,
        keep=options.keep_finished,
    )
    rescues = rescue_wiring.rescue(
        client,
        agents,
        loop,
        builder,
        events,
        _moves(client, loop, options, clock, elector, metrics),
        clock=clock,
        rng=rng,
        metrics=metrics,
        identity=options.identity,
        is_leader=lambda: elector.is_leader,
    )
    metrics.leader.set(1)
    insight.lead(rescues.rescuer.insight)
    ending.lead(lambda: frozen(loop.stores.migrations.list(), serde.parse_migration))
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(observer.run())
            group.create_task(loop.run())
            group.create_task(Sweeper(client, executor, loop.stores.pods.list).run())
            group.create_task(expirer.run())
            group.create_task(rescues.run())
    except* NotLeading:
        raise LeadershipLost("the lease was not renewed in time") from None
    finally:
        insight.lead(None)
        metrics.leader.set(0)


def _moves(
    client: ApiClient,
    loop: ControllerLoop,
    options: argparse.Namespace,
    clock: SystemClock,
    elector: LeaderElector,
    metrics: Metrics,
) -> MoveRecords:
    return MoveRecords(
        client,
        loop.stores.migrations.list,
        parse=serde.parse_migration,
        namespace=options.namespace,
        clock=clock,
        is_leader=lambda: elector.is_leader,
        on_error=lambda reason: metrics.moves_errors.labels(reason).inc(),
    )


def _observer(
    agents: AgentClient,
    observations: Observations,
    loop: ControllerLoop,
    metrics: Metrics,
    publisher: FactsPublisher,
) -> NodeObserver:
    return NodeObserver(
        agents,
        observations,
        lambda: [
            (str(node["metadata"]["name"]), address_of(node)) for node in loop.stores.nodes.list()
        ],
        on_age=lambda node, age: metrics.agent_age.labels(node).set(age),
        after_round=publisher.publish,
    )
