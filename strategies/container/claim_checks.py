"""Which persistent volumes a move can keep: those that both nodes may mount at once. Pure.

The target's pod mounts its volumes before the freeze, beside the source's. What only one node or
pod may mount would have to be detached while frozen, which is not built and is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from podferry.api.reasons import Reason
from podferry.controller.core.view import ClaimView, NodeView
from podferry.strategies.container.finding import Finding, RawPod, title
from podferry.strategies.container.node_checks import term_matches

_INSTEAD = (
    "use a claim of the access mode ReadWriteMany (NFS, CephFS, Azure Files), or an emptyDir (its"
    " contents travel) if it need not outlive the pod"
)
_SHARED = ("ReadWriteMany", "ReadOnlyMany")


def claim_names(pod: RawPod) -> list[str]:
    """Names of the claims that the pod mounts."""
    volumes = (pod.get("spec") or {}).get("volumes") or []
    claims = [volume.get("persistentVolumeClaim") for volume in volumes]
    return [str(claim.get("claimName")) for claim in claims if claim]


def check_claims(
    pod: RawPod, claims: Mapping[str, ClaimView], *, others: Mapping[str, RawPod], same_name: bool
) -> list[Finding]:
    """Return why the persistent volumes of a pod cannot be kept over a move; empty if they can.

    Args:
        pod: the raw source pod.
        claims: the claims of its namespace by name, with their volumes.
        others: pods of its namespace.
        same_name: the pod keeps its name, so that it is restored twice.
    """
    found = []
    for name in claim_names(pod):
        where = f"claim {name} of {title(pod)}"
        view = claims.get(name)
        if view is None or view.volume is None:
            what = "does not exist" if view is None else "is not bound to a volume that exists"
            text = f"{where} {what}; see `kubectl get pvc`, or use an emptyDir instead"
            found.append(Finding(Reason.PERSISTENT_VOLUME, text))
            continue
        found += _volume(where, view.claim, view.volume)
        if same_name:
            found += _alone(where, name, pod, others)
            found += _group(where, pod)
    return found


def check_claims_in_post_copy(pod: RawPod) -> list[Finding]:
    """Return why PostCopy is not for this pod; empty if its volumes do not stand against it.

    A PostCopy that loses its pages can go back to the moment of its freeze, its volumes cannot.
    """
    claims = claim_names(pod)
    if not claims:
        return []
    return [
        Finding(
            Reason.PERSISTENT_VOLUME,
            f"{title(pod)} mounts the claim {claims[0]}: if PostCopy lost its pages, the workload"
            " would go back to the moment of its freeze and find what it wrote to the volume after"
            " it; use StopAndCopy",
        )
    ]


def check_reach(
    pod: RawPod, claims: Mapping[str, ClaimView], target: NodeView
) -> Iterator[Finding]:
    """Whether each volume may be mounted on the target, by the volume's own nodeAffinity."""
    for name in claim_names(pod):
        view = claims.get(name)
        required = ((((view.volume if view else None) or {}).get("spec") or {}).get(
            "nodeAffinity") or {}).get("required") or {}  # fmt: skip
        terms = required.get("nodeSelectorTerms") or []
        if terms and not any(term_matches(term, target.labels) for term in terms):
            yield Finding(
                Reason.TARGET_UNSCHEDULABLE,
                f"the volume of claim {name} cannot be mounted on target node {target.name} by its"
                " nodeAffinity; choose a node that it names",
            )


def _volume(where: str, claim: RawPod, volume: RawPod) -> Iterator[Finding]:
    spec = volume.get("spec") or {}
    modes = [str(mode) for mode in (claim.get("spec") or {}).get("accessModes") or []]
    if "ReadWriteOncePod" in modes or not set(modes) & set(_SHARED):
        one = "pod" if "ReadWriteOncePod" in modes else "node"
        yield Finding(
            Reason.PERSISTENT_VOLUME,
            f"{where} is {' and '.join(modes) or 'without an access mode'}: one {one} at a time may"
            f" mount it, and the target must mount it beside the frozen source; {_INSTEAD}",
        )
    elif spec.get("volumeMode") == "Block":
        yield Finding(
            Reason.PERSISTENT_VOLUME,
            f"{where} is a block device, whose open files cannot travel; {_INSTEAD}",
        )
    elif "hostPath" in spec:
        yield Finding(
            Reason.HOST_PATH,
            f"{where} is bound to the folder {spec['hostPath'].get('path')} of a node: the same"
            " path elsewhere is another folder. If several nodes do share it, describe it as a"
            " `local` volume whose nodeAffinity names them",
        )


def _group(where: str, pod: RawPod) -> Iterator[Finding]:
    """Kubelet changes modes below a volume at each mount, the last one after the dump."""
    context = (pod.get("spec") or {}).get("securityContext") or {}
    if context.get("fsGroup") is not None and (
        context.get("fsGroupChangePolicy") != "OnRootMismatch"
    ):
        yield Finding(
            Reason.PERSISTENT_VOLUME,
            f"{where} is mounted with fsGroup {context['fsGroup']}: kubelet would change the modes"
            " of open files after the decision, and they could not be opened; set"
            " fsGroupChangePolicy: OnRootMismatch in the securityContext and re-create the pod",
        )


def _alone(where: str, name: str, pod: RawPod, others: Mapping[str, RawPod]) -> Iterator[Finding]:
    """Restored once more after the commit: a file that somebody made longer is then refused."""
    mine = pod["metadata"].get("uid")
    users = [
        other["metadata"]["name"]
        for other in others.values()
        if name in claim_names(other)
        and other["metadata"].get("uid") != mine
        and (other.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    ]
    if users:
        yield Finding(
            Reason.PERSISTENT_VOLUME,
            f"{where} is also mounted by {', '.join(sorted(users)[:3])}: a pod that keeps its name"
            " is restored again after the decision, and a file that another pod changes meanwhile"
            " cannot be opened then; move it as a Deployment, or stop the other pods first",
        )
