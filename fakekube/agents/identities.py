"""The accounts kube-controller-manager gives its controllers."""

from fakekube.client.client import Client

_GROUPS = ("system:serviceaccounts", "system:serviceaccounts:kube-system")


def as_controller(client: Client, account: str) -> Client:
    """The same API as the service account `account` in kube-system."""
    user = f"system:serviceaccount:kube-system:{account}"
    return client.as_user(user, *_GROUPS, user_agent=f"kube-controller-manager/{user}")
