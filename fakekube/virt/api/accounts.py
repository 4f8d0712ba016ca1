"""Who may write what only KubeVirt's own components may write.

Origin: kubevirt: pkg/virt-api/webhooks/utils.go
"""

COMPONENTS = (
    "kubevirt-apiserver",
    "kubevirt-controller",
    "kubevirt-handler",
    "kubevirt-synchronization-controller",
)


def is_component(user: str, namespace: str = "kubevirt") -> bool:
    """Whether this user is the service account of a KubeVirt component."""
    prefix = f"system:serviceaccount:{namespace}:"
    return user.startswith(prefix) and user[len(prefix) :] in COMPONENTS
