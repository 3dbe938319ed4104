"""Labels, annotations, paths and ports that several parts must agree on. Constants only."""

from __future__ import annotations

GROUP = "podferry.dev"
VERSION = "v1alpha1"
PLURAL = "migrations"
RUNTIME_CLASS = "podferry"
SYSTEM_NAMESPACE = "podferry-system"
FINALIZER = "podferry.dev/migration"
FIELD_MANAGER = "podferry-controller"

LABEL_MIGRATABLE = "podferry.dev/migratable"
"""Opt-in label, "true" at creation: the webhook then sets the RuntimeClass."""

ANNOTATION_RESTART_CONTAINERS = "podferry.dev/restart-containers"
"""Of the pod's owner: names, with commas, of containers that hold no progress. They start anew at
the target of a move."""

EXCLUDE = "podferry.dev/exclude"
"""Annotation of a pod or label of a namespace, "true": it is not moved."""

PREFER_NO_EVICTION = "descheduler.alpha.kubernetes.io/prefer-no-eviction"
"""Annotation of a pod, the descheduler's; its presence counts, whatever the value, as there."""

LABEL_REQUESTED_BY = "podferry.dev/requested-by"
"""On a Migration that a tool asked for: `eviction`, `drain` or `rescue`. It keeps budgets."""
ANNOTATION_ASKED_BY = "podferry.dev/asked-by"
"""On a Migration made in place of an eviction: the user who asked for the eviction."""

ANNOTATION_RESTORE = "podferry.dev/restore"
"""On a target pod: "<migration uid>.<attempt>"; such a container is never created plainly
unless its attempt says so."""
ANNOTATION_RESTORE_ROLE = "podferry.dev/restore-role"
"""`replacement` (rehearsed, then resumed), `rehearsal` (proof only, never resumed) or `final`
(the same-named pod that is restored after the commit)."""
ANNOTATION_RESTORE_CONTAINER = "podferry.dev/restore-container"
"""On a target pod: name of the container that is restored."""
ANNOTATION_RESTORE_ANEW = "podferry.dev/restore-anew"
"""On a target pod: names, with commas, of the containers that are created beside it and begin only
once it was resumed. Any other one is an init container, whose work travels in the files: it ends
with success at once and does nothing."""
ANNOTATION_RESTORE_HOOKS = "podferry.dev/restore-hooks"
"""On a target pod: JSON of {container name: command of its postStart exec hook}. The hook ran at
the source, so kubelet's call of it in the restored container does nothing, once."""
ANNOTATION_CLAIM = "podferry.dev/claim"
ANNOTATION_DETACHED = "podferry.dev/detached-labels"
"""JSON of the labels that were taken from a source pod, so that they can be given back."""
ANNOTATION_MIGRATION = "podferry.dev/migration"
"""UID of the Migration that currently owns the pod."""
ANNOTATION_VERSION = "podferry.dev/version"
ANNOTATION_PROTOCOL = "podferry.dev/protocol"
"""On SYSTEM_NAMESPACE, from the manifests: which release is installed and what it speaks."""
ANNOTATION_CORDONED_BY = "podferry.dev/cordoned-by"
"""On a node that `podferry drain` cordoned; for people only."""
READINESS_GATE = "podferry.dev/running"

LABEL_RESCUE_POLICY = "podferry.dev/rescue-policy"
"""On a Migration: the RescuePolicy that asked for it."""
ANNOTATION_RESCUE = "podferry.dev/rescue"
"""On such a Migration: why it was asked for, in words with numbers."""

NODE_FACTS = "podferry-nodes"
"""ConfigMap in SYSTEM_NAMESPACE: a key a node, JSON of its agent's facts. For people only."""

MOVES = "podferry-moves"
"""ConfigMap in SYSTEM_NAMESPACE: finished moves, for the model of freeze times."""

STATE_DIR = "/var/lib/podferry"
"""Persistent on a node: attempts/<uid>.<attempt>/{source,target}/ survive a reboot."""
RUN_DIR = "/run/podferry"
"""Volatile on a node: hold/, restored/, hook/, deferred/ and waiting/ <container id>, sockets."""
INSTALL_DIR = "/opt/podferry"

AGENT_PORT = 9550
"""TCP, mutual TLS, on the node's InternalIP (host network)."""
PAGE_PORT_FIRST = 9560
PAGE_PORT_LAST = 9599
"""TCP, one port an attempt, mutual TLS with the agents' certificates."""
AGENT_METRICS_PORT = 9551
CONTROLLER_METRICS_PORT = 8080
INSIGHT_PORT = 8081
"""TCP, plain HTTP, in the controller's pod; reached through the API server's pod proxy."""
WEBHOOK_PORT = 9443

AGENT_IDENTITY = "agent.podferry.dev"
CONTROLLER_IDENTITY = "controller.podferry.dev"
"""DNS subject alternative names in the certificates; a server checks its peer's."""

CONTROLLER_LEASE = "podferry-controller"
"""Lease in SYSTEM_NAMESPACE; its holder is the name of the pod that leads."""
VIEWER = "podferry-viewer"
"""Service account without rights: a token of it with INSIGHT_AUDIENCE may read the insight."""
INSIGHT_AUDIENCE = "podferry.dev/insight"
INSIGHT_PATH = "/v1/insight"
TOKEN_HEADER = "X-Podferry-Token"  # noqa: S105 - the name of a header
"""The API server's proxy takes Authorization away and lets this one pass."""

CRIU_MARK = 0xC114
"""fwmark of the packets that CRIU itself sends; the shield lets them pass."""
CREATE_HOLD_SECONDS = 100
"""How long the wrapper may hold `create`: kubelet gives up after 120 s."""
