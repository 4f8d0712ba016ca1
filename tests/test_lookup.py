"""What people wait for: expressions as `kubectl wait` has them."""

import pytest

from fakekube.lookup import Unclear, condition

VM = {
    "metadata": {"name": "a", "generation": 2, "annotations": {"example.com/k": "v"}},
    "spec": {"running": True, "volumes": [{"name": "root"}, {"name": "data"}]},
    "status": {
        "ready": True,
        "replicas": 3,
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "Paused", "status": "False"}],
    },
}


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("condition=Ready", True),
        ("condition=ready=true", True),
        ("condition=Paused", False),
        ("condition=Paused=False", True),
        ("condition=Gone", False),
        ("create", True),
        ("delete", False),
        ("jsonpath={.status.replicas}=3", True),
        ("jsonpath='{.status.replicas}'=3", True),
        ("jsonpath={.status.replicas}='3'", True),
        ("jsonpath={.status.replicas}=4", False),
        ("jsonpath={.status.ready}=true", True),
        ("jsonpath={.status.nothing}=3", False),
        ("jsonpath={.status.replicas}", True),
        ("jsonpath={.status.nothing}", False),
        ("jsonpath={.spec.volumes[1].name}=data", True),
        ('jsonpath={.status.conditions[?(@.type=="Ready")].status}=True', True),
        (r"jsonpath={.metadata.annotations.example\.com/k}=v", True),
    ],
)
def test_what_is_waited_for(expression: str, holds: bool) -> None:
    """Conditions, values at paths of any form, values at all, presence and absence."""
    assert condition(expression)(VM) is holds


@pytest.mark.parametrize("expression", ["condition=Ready", "create", "jsonpath={.status.replicas}=3"])
def test_an_object_that_is_not_there(expression: str) -> None:
    """Nothing holds of it but its absence."""
    assert not condition(expression)(None)
    assert condition("delete")(None)


@pytest.mark.parametrize(
    "expression",
    ["ready", "condition", "condition=", "jsonpath=", "jsonpath={.a=3", "jsonpath={a}=3", "jsonpath={.a[}=3"],
)
def test_what_cannot_be_understood(expression: str) -> None:
    """It is refused at once, and shown how it is written."""
    with pytest.raises(Unclear):
        condition(expression)


@pytest.mark.parametrize("path", ["{.spec.volumes}", "{.spec.volumes[*].name}"])
def test_what_cannot_be_compared(path: str) -> None:
    """As for kubectl, a path leads to one plain value."""
    with pytest.raises(Unclear, match="which cannot be compared"):
        condition(f"jsonpath={path}=x")(VM)


def test_old_observations_do_not_count() -> None:
    """What was observed of an older generation is no news of this one: of the object as of a condition."""
    ready = condition("condition=Ready")
    status = VM["status"]
    assert not ready({**VM, "status": {**status, "observedGeneration": 1}})
    assert ready({**VM, "status": {**status, "observedGeneration": 2}})
    one = {"type": "Ready", "status": "True", "observedGeneration": 1}
    assert not ready({**VM, "status": {"conditions": [one], "observedGeneration": 2}})
