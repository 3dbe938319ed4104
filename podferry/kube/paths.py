"""Paths of the API server's resources. Owns no I/O; every name is checked and quoted here."""

from __future__ import annotations

from urllib.parse import quote

GROUP_VERSION = "podferry.dev/v1alpha1"


def resource(
    group_version: str,
    plural: str,
    *,
    namespace: str | None = None,
    name: str | None = None,
    sub: str | None = None,
) -> str:
    """Return the path of a collection, an object or a subresource.

    Args:
        group_version: `v1` for the core group, else `group/version`.
        plural: lower-case plural of the kind.
        namespace: None for cluster-scoped kinds and for all namespaces.
        name: of the object; None for the collection.
        sub: subresource, such as `status`; needs `name`.

    Raises:
        ValueError: `sub` without `name`, or an empty name (it would address the collection).
    """
    if sub is not None and name is None:
        raise ValueError(f"subresource {sub!r} of {plural} needs the name of an object")
    if name == "" or namespace == "":
        raise ValueError(f"empty name or namespace for {plural}; it would address all of them")
    base = "/apis" if "/" in group_version else "/api"
    parts = [base, group_version]
    if namespace is not None:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(plural)
    parts += [quote(part, safe="") for part in (name, sub) if part is not None]
    return "/".join(parts)


def pods(namespace: str | None, name: str | None = None, sub: str | None = None) -> str:
    """Path of pods; `namespace` None means all namespaces (collection only)."""
    return resource("v1", "pods", namespace=namespace, name=name, sub=sub)


def resource_quotas(namespace: str, name: str | None = None) -> str:
    """Path of the quotas of a namespace."""
    return resource("v1", "resourcequotas", namespace=namespace, name=name)


def migrations(namespace: str | None, name: str | None = None, sub: str | None = None) -> str:
    """Path of our Migration objects."""
    return resource(GROUP_VERSION, "migrations", namespace=namespace, name=name, sub=sub)


def rescue_policies(name: str | None = None, sub: str | None = None) -> str:
    """Path of our RescuePolicy objects, which belong to no namespace."""
    return resource(GROUP_VERSION, "rescuepolicies", name=name, sub=sub)


def events(namespace: str | None, name: str | None = None) -> str:
    """Path of events (events.k8s.io/v1)."""
    return resource("events.k8s.io/v1", "events", namespace=namespace, name=name)


def leases(namespace: str | None, name: str | None = None) -> str:
    """Path of leases (coordination.k8s.io/v1)."""
    return resource("coordination.k8s.io/v1", "leases", namespace=namespace, name=name)


def secrets(namespace: str | None, name: str | None = None) -> str:
    """Path of secrets."""
    return resource("v1", "secrets", namespace=namespace, name=name)


def configmaps(namespace: str | None, name: str | None = None) -> str:
    """Path of config maps."""
    return resource("v1", "configmaps", namespace=namespace, name=name)


def services(namespace: str | None, name: str | None = None) -> str:
    """Path of services."""
    return resource("v1", "services", namespace=namespace, name=name)


def service_accounts(namespace: str, name: str | None = None, sub: str | None = None) -> str:
    """Path of service accounts; `sub` `token` is where a short-lived token is asked for."""
    return resource("v1", "serviceaccounts", namespace=namespace, name=name, sub=sub)


def token_reviews() -> str:
    """Path to ask whose a token is."""
    return resource("authentication.k8s.io/v1", "tokenreviews")


def pod_proxy(namespace: str, pod: str, port: int, path: str) -> str:
    """Path that the API server passes on as `path` to a port of a pod, plain HTTP."""
    return pods(namespace, f"{pod}:{port}", "proxy") + path


def nodes(name: str | None = None, sub: str | None = None) -> str:
    """Path of nodes."""
    return resource("v1", "nodes", name=name, sub=sub)


def namespaces(name: str | None = None, sub: str | None = None) -> str:
    """Path of namespaces."""
    return resource("v1", "namespaces", name=name, sub=sub)


def disruption_budgets(namespace: str, name: str | None = None) -> str:
    """Path of PodDisruptionBudgets."""
    return resource("policy/v1", "poddisruptionbudgets", namespace=namespace, name=name)


def replicasets(namespace: str | None, name: str | None = None, sub: str | None = None) -> str:
    """Path of replica sets."""
    return resource("apps/v1", "replicasets", namespace=namespace, name=name, sub=sub)


def deployments(namespace: str | None, name: str | None = None, sub: str | None = None) -> str:
    """Path of deployments."""
    return resource("apps/v1", "deployments", namespace=namespace, name=name, sub=sub)


def statefulsets(namespace: str | None, name: str | None = None, sub: str | None = None) -> str:
    """Path of stateful sets."""
    return resource("apps/v1", "statefulsets", namespace=namespace, name=name, sub=sub)


def jobs(namespace: str | None, name: str | None = None, sub: str | None = None) -> str:
    """Path of jobs."""
    return resource("batch/v1", "jobs", namespace=namespace, name=name, sub=sub)


def claims(namespace: str | None, name: str | None = None) -> str:
    """Path of persistent volume claims."""
    return resource("v1", "persistentvolumeclaims", namespace=namespace, name=name)


def volumes(name: str | None = None) -> str:
    """Path of persistent volumes."""
    return resource("v1", "persistentvolumes", name=name)


def endpointslices(namespace: str | None, name: str | None = None) -> str:
    """Path of endpoint slices."""
    return resource("discovery.k8s.io/v1", "endpointslices", namespace=namespace, name=name)


def webhookconfigurations(name: str | None = None, *, kind: str = "mutating") -> str:
    """Path of webhook configurations; `kind` is `mutating` or `validating`."""
    if kind not in ("mutating", "validating"):
        raise ValueError(f"kind {kind!r} of webhook configuration; known: mutating, validating")
    plural = f"{kind}webhookconfigurations"
    return resource("admissionregistration.k8s.io/v1", plural, name=name)
