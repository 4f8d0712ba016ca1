"""The resource tables: complete, consistent with the types, and cheap to have."""

import subprocess
import sys

import pytest

from fakekube.api.builtins.tables import resources
from fakekube.api.types import definitions

BY_NAME = {(one.group, one.version, one.plural): one for one in resources()}


def test_every_resource_has_its_types():
    """The kind and, where it can be listed, its list are known to OpenAPI under the group and version served."""
    for one in BY_NAME.values():
        raw = definitions().raw[one.schema_name]
        gvk = {"group": one.group, "kind": one.kind, "version": one.version}
        assert gvk in raw["x-kubernetes-group-version-kind"]
        if "list" in one.verbs:
            assert f"{one.schema_name.rpartition('.')[0]}.{one.list_kind}" in definitions()


def test_every_served_kind_of_the_types_is_a_resource():
    """No type of 1.36 that a default cluster stores or answers is missing."""
    served = {(one.group, one.version, one.kind) for one in BY_NAME.values()}
    virtual = {"Eviction", "Scale", "TokenRequest", "Status", "APIGroup", "APIVersions"}
    for raw in definitions().raw.values():
        gvks = raw.get("x-kubernetes-group-version-kind", [])
        if len(gvks) != 1 or gvks[0]["kind"].endswith("List") or gvks[0]["kind"] in virtual:
            continue
        assert (gvks[0]["group"], gvks[0]["version"], gvks[0]["kind"]) in served


def test_status_subresources_belong_to_types_with_a_status():
    """A `/status` path and the flag that separates its writes always come together."""
    for one in BY_NAME.values():
        has = any(sub.name == "status" for sub in one.subresources)
        assert has == one.strategy.status_subresource
        if has:
            assert "status" in definitions()[one.schema_name].properties


def test_versions_that_share_storage():
    """Both event groups and both autoscaler versions lie in one place each, and convert."""
    core, new = BY_NAME["", "v1", "events"], BY_NAME["events.k8s.io", "v1", "events"]
    assert core.prefix == new.prefix
    assert (new.storage_api_version, new.to_storage is None) == ("v1", False)
    old, current = (BY_NAME["autoscaling", version, "horizontalpodautoscalers"] for version in ("v1", "v2"))
    assert old.prefix == current.prefix
    assert (old.storage_api_version, current.to_storage) == ("autoscaling/v2", None)


@pytest.mark.parametrize(
    ("name", "trait", "value"),
    [
        (("", "v1", "pods"), "graceful", True),
        (("", "v1", "pods"), "delete_returns_object", True),
        (("", "v1", "configmaps"), "delete_returns_object", False),
        (("", "v1", "configmaps"), "has_generation", False),
        (("apps", "v1", "deployments"), "has_generation", True),
        (("batch", "v1", "jobs"), "default_propagation", "Orphan"),
        (("rbac.authorization.k8s.io", "v1", "roles"), "name_rule", "path"),
        (("", "v1", "services"), "name_rule", "label"),
        (("coordination.k8s.io", "v1", "leases"), "unconditional_update", False),
    ],
)
def test_traits(name, trait, value):
    """How single kinds differ."""
    assert getattr(BY_NAME[name].strategy, trait) == value


def test_field_selectors():
    """Getters read what is there, and say what the real server says of what is not."""
    pods = BY_NAME["", "v1", "pods"].strategy.selectable
    pod = {"spec": {"nodeName": "n"}, "status": {"podIPs": [{"ip": "10.0.0.1"}]}}
    assert pods["spec.nodeName"](pod) == "n"
    assert pods["status.podIP"](pod) == "10.0.0.1"
    assert pods["spec.hostNetwork"](pod) == "false"
    assert pods["status.phase"](pod) == ""
    events = BY_NAME["events.k8s.io", "v1", "events"].strategy.selectable
    assert events["regarding.name"]({"involvedObject": {"name": "p"}}) == "p"
    assert events["involvedObject.name"]({"regarding": {"name": "p"}}) == "p"


def test_start_up_loads_no_types():
    """Importing the tables and making the resources reads no data file and no printer."""
    script = (
        "import sys; from fakekube.api import types as data; from fakekube.api.builtins import tables; tables.resources();"
        "print(data.definitions.cache_info().currsize, data.descriptions.cache_info().currsize,"
        "'fakekube.api.printers' in sys.modules, 'yaml' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "0", "False", "False"]
