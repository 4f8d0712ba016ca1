"""Who the parts of a cluster are to its API: service accounts of controllers and of what is installed, and nodes."""

from fakekube.client.client import Client

# Whoever is in it may do all: those whose own roles are not part of what is installed here.
MASTERS = "system:masters"


def as_account(client: Client, namespace: str, account: str, *groups: str, user_agent: str) -> Client:
    """The same API as a service account, who is in these groups besides its own."""
    own = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    return client.as_user(
        f"system:serviceaccount:{namespace}:{account}", *own, *groups, user_agent=user_agent
    )


def as_controller(client: Client, account: str, *groups: str) -> Client:
    """The same API as one of kube-controller-manager's, by the service account it gives it in kube-system."""
    agent = f"kube-controller-manager/system:serviceaccount:kube-system:{account}"
    return as_account(client, "kube-system", account, *groups, user_agent=agent)


def as_kubelet(client: Client, node: str) -> Client:
    """The same API as the kubelet of a node."""
    return client.as_user(f"system:node:{node}", "system:nodes", user_agent="kubelet")
