from fakekube.agents.policy_status import POLICIES, PolicyStatus
from fakekube.api.admission.type_checking import check
from fakekube.machinery.resources import CRDS


def policy(*expressions, name="p", resources=("deployments",), groups=("apps",), versions=("v1",), **spec):
    rule = {
        "apiGroups": list(groups),
        "apiVersions": list(versions),
        "resources": list(resources),
        "operations": ["CREATE"],
    }
    validations = [one if isinstance(one, dict) else {"expression": one} for one in expressions]
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {"matchConstraints": {"resourceRules": [rule]}, "validations": validations, **spec},
    }


async def status(world, made):
    name = made["metadata"]["name"]
    if await world.find(POLICIES, name) is None:
        await world.client.create(POLICIES, made)
    await world.settle()
    return (await world.find(POLICIES, name))["status"]


async def test_what_fits_is_only_observed(world):
    """A policy without mistakes: the generation that was looked at, and no warnings."""
    world.start(PolicyStatus, check=check)
    fits = policy(
        "object.spec.replicas <= 5 && object.metadata.name.startsWith('a')",
        "object.spec.template.spec.containers.all(c, !has(c.securityContext) || !c.securityContext.privileged)",
        "'app' in object.metadata.labels && variables.own == 3 && object.spec.strategy.rollingUpdate.maxSurge == 1",
        variables=[{"name": "own", "expression": "object.spec.replicas"}],
    )
    assert await status(world, fits) == {"observedGeneration": 1, "typeChecking": {}}
    found = await world.find(POLICIES, "p")
    entry = found["metadata"]["managedFields"][0]
    assert (entry["manager"], entry["operation"], entry["subresource"]) == (
        "validatingadmissionpolicy-status",
        "Apply",
        "status",
    )


async def test_what_does_not_fit_is_told_for_every_type(world):
    """The documentation's example, for both kinds, and a message; a change is looked at again."""
    world.start(PolicyStatus, check=check)
    wrong = policy(
        {"expression": "object.replicas > 1", "messageExpression": "string(object.nosuch)"},
        resources=("replicasets", "deployments", "deployments/scale"),
    )
    told = await status(world, wrong)
    expression, message = told["typeChecking"]["expressionWarnings"]
    assert expression == {
        "fieldRef": "spec.validations[0].expression",
        "warning": "apps/v1, Kind=Deployment: ERROR: <input>:1:7: undefined field 'replicas'\n"
        " | object.replicas > 1\n | ......^\n\n"
        "apps/v1, Kind=ReplicaSet: ERROR: <input>:1:7: undefined field 'replicas'\n"
        " | object.replicas > 1\n | ......^\n",
    }
    assert message["fieldRef"] == "spec.validations[0].messageExpression"
    found = await world.find(POLICIES, "p")
    found["spec"]["validations"] = [{"expression": "object.spec.replicas > 1"}]
    await world.client.update(POLICIES, found)
    assert await status(world, wrong) == {"observedGeneration": 2, "typeChecking": {}}


async def test_wildcards_and_unknown_types_are_not_looked_at(world):
    """Nothing is said about types that nobody can name."""
    world.start(PolicyStatus, check=check)
    for number, given in enumerate(
        ({"resources": ("*",)}, {"groups": ("*",)}, {"groups": ("none.example",)})
    ):
        told = await status(world, policy("object.nosuch == 1", name=f"p{number}", **given))
        assert told == {"observedGeneration": 1, "typeChecking": {}}


async def test_custom_resources_and_parameters_have_types_too(world):
    """A definition's schema serves for objects and for params; unknown params may be anything."""
    world.start(PolicyStatus, check=check)
    properties = {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
    }
    await world.client.create(
        CRDS,
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "sizes.x.example"},
            "spec": {
                "group": "x.example",
                "scope": "Namespaced",
                "names": {"plural": "sizes", "kind": "Size"},
                "versions": [version],
            },
        },
    )
    await world.settle()
    about = {"groups": ("x.example",), "resources": ("sizes",)}
    own = {"apiVersion": "x.example/v1", "kind": "Size"}
    told = await status(
        world, policy("object.spec.size < params.spec.size && params.spec.siz == 1", **about, paramKind=own)
    )
    (only,) = told["typeChecking"]["expressionWarnings"]
    assert "x.example/v1, Kind=Size: ERROR: <input>:1:51: undefined field 'siz'" in only["warning"]
    other = {"apiVersion": "none.example/v1", "kind": "None"}
    told = await status(
        world, policy("object.spec.size == params.whatever", name="q", **about, paramKind=other)
    )
    assert told["typeChecking"] == {}
