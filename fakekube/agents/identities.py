"""The accounts kube-controller-manager gives its controllers, and those of nodes."""

from fakekube.client.client import Client

_GROUPS = ("system:serviceaccounts", "system:serviceaccounts:kube-system")


def as_controller(client: Client, account: str) -> Client:
    """The same API as the service account `account` in kube-system."""
    user = f"system:serviceaccount:kube-system:{account}"
    return client.as_user(user, *_GROUPS, user_agent=f"kube-controller-manager/{user}")


def as_kubelet(client: Client, node: str) -> Client:
    """The same API as the kubelet of a node."""
    return client.as_user(f"system:node:{node}", "system:nodes", user_agent="kubelet")
