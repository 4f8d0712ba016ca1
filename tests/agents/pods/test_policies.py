"""NetworkPolicies, as values: who is let through."""

import pytest

from fakekube.agents.pods.policies import Policies

SPACES = {"a": {"team": "red"}, "b": {"team": "blue"}}


def pod(space="a", address="10.0.0.1", **labels):
    ports = [{"name": "web", "containerPort": 80}]
    return {
        "metadata": {"name": "p", "namespace": space, "labels": labels},
        "spec": {"containers": [{"ports": ports}]},
        "status": {"podIPs": [{"ip": address}]},
    }


def policy(space="a", **spec):
    return {"metadata": {"name": "policy", "namespace": space}, "spec": {"podSelector": {}, **spec}}


def lets(*policies, source=None, target=None, port=80, protocol="tcp"):
    return Policies(policies, SPACES).let(source or pod(), target or pod(), port, protocol)


@pytest.mark.parametrize(
    ("spec", "let"),
    [
        ({}, False),
        ({"podSelector": {"matchLabels": {"x": ""}}}, True),  # it is about others
        ({"policyTypes": ["Egress"], "egress": [{}]}, True),
        ({"policyTypes": ["Egress"]}, False),
        ({"policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{"to": []}]}, True),
        ({"ingress": [{"from": [{"podSelector": {"matchLabels": {"x": ""}}}]}]}, False),
        ({"ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"team": "red"}}}]}]}, True),
        (
            {"ingress": [{"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"x": ""}}}]}]},
            False,
        ),
        ({"ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}, True),
        ({"ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/24"]}}]}]}, False),
        ({"ingress": [{"ports": [{"port": "web"}]}]}, True),
        ({"ingress": [{"ports": [{"port": "other"}]}]}, False),
        ({"ingress": [{"ports": [{"port": 79, "endPort": 81}]}]}, True),
        ({"ingress": [{"ports": [{"port": 80, "protocol": "UDP"}]}]}, False),
        ({"ingress": [{"ports": [{"protocol": "TCP"}]}]}, True),
    ],
)
def test_rules(spec, let):
    """A pod some policy of a direction is about needs a rule of it that fits: whom it names, and on which ports."""
    assert lets(policy(**spec)) is let


def test_namespaces():
    """Policies are about pods of their own namespace; peers without a namespace selector are there, too."""
    near = policy(ingress=[{"from": [{"podSelector": {}}]}])
    assert lets(near)
    assert not lets(near, source=pod("b"))
    assert lets(near, target=pod("b"), source=pod("b"))


def test_who_is_nobodys_business():
    """A pod on its node's network is not kept out; who is no pod is, unless everybody is let in. Pings fit no rule with ports."""
    on_node = pod()
    on_node["spec"]["hostNetwork"] = True
    assert lets(policy(), target=on_node)
    assert not Policies([policy()], SPACES).let(None, pod(), 80, "tcp")
    assert Policies([policy(ingress=[{}])], SPACES).let(None, pod(), 80, "tcp")
    assert not Policies([policy(ingress=[{"from": [{"podSelector": {}}]}])], SPACES).let(
        None, pod(), 80, "tcp"
    )
    assert not lets(policy(ingress=[{"ports": [{"port": 80}]}]), port=0, protocol="icmp")
