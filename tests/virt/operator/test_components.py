"""What KubeVirt's accounts may do, as data."""

import pytest

from fakekube.machinery.wire import Object
from fakekube.virt.operator import certificates, components, roles

SPACE = "kubevirt"
NETWORKS = "network-attachment-definitions"


def kubevirt(*gates: str) -> Object:
    return {"spec": {"configuration": {"developerConfiguration": {"featureGates": list(gates)}}}}


def rules(objs: list[Object], kind: str, name: str) -> list[Object]:
    (found,) = (one["rules"] for one in objs if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return list(found)


def test_accounts_are_bound():
    """Each account has a ClusterRole and a Role of its name, and is bound to both; virt-api may ask who is who, too."""
    made = components.accounts(SPACE, kubevirt())
    bound = {
        (one["roleRef"]["kind"], one["roleRef"]["name"], one["subjects"][0]["name"])
        for one in made
        if one["kind"].endswith("Binding")
    }
    names = [one["metadata"]["name"] for one in made if one["kind"] == "ServiceAccount"]
    own = {(kind, name, name) for name in names for kind in ("ClusterRole", "Role")}
    assert bound == own | {("ClusterRole", "system:auth-delegator", "kubevirt-apiserver")}
    there = {(one["kind"], one["metadata"]["name"]) for one in made}
    assert {(kind, name) for kind, name, _ in own} <= there


@pytest.mark.parametrize("gates", [(), ("ExternalNetResourceInjection",)])
def test_who_looks_at_networks(gates: tuple[str, ...]):
    """virt-controller may see NetworkAttachmentDefinitions, unless somebody else is said to look after them."""
    found = rules(components.accounts(SPACE, kubevirt(*gates)), "ClusterRole", "kubevirt-controller")
    assert any(NETWORKS in one["resources"] for one in found) == (not gates)


def test_nobody_grants_what_he_may_not_do():
    """virt-operator holds every rule of the roles it makes, and may write the secrets there are."""
    made = components.installer(SPACE)
    granted = [*components.accounts(SPACE, kubevirt()), *roles.roles()]
    for kind in ("ClusterRole", "Role"):
        held = rules(made, kind, "kubevirt-operator")
        assert [
            rule for one in granted if one["kind"] == kind for rule in one["rules"] if rule not in held
        ] == []
    (secrets,) = (
        one["resourceNames"]
        for one in rules(made, "Role", "kubevirt-operator")
        if one["resources"] == ["secrets"] and "resourceNames" in one
    )
    assert sorted(secrets) == sorted(certificates.SECRETS)
