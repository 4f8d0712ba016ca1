"""KubeVirt's roles for people and CDI's, joined to Kubernetes' own admin, edit and view, and what everybody may.

Origin: kubevirt: pkg/virt-operator/resource/generate/rbac/cluster.go; cdi: pkg/operator/resources/cluster/rbac.go
"""

from collections.abc import Mapping

from fakekube.machinery.objects import Obj
from fakekube.machinery.wire import Object
from fakekube.virt.config import ClusterConfig

Marks = Mapping[str, str]
EMPTY: Marks = {}

_RBAC = "rbac.authorization.k8s.io"
_SUBRESOURCES = "subresources.kubevirt.io"
_READ = ("get", "list", "watch")
_WRITE = ("get", "delete", "create", "update", "patch", "list", "watch")
_ALL = (*_WRITE, "deletecollection")
_MIGRATIONS = "virtualmachineinstancemigrations"
_CLUSTERWIDE = ("virtualmachineclusterinstancetypes", "virtualmachineclusterpreferences")
_GROUPS = {
    "kubevirt.io": (
        *("virtualmachines", "virtualmachineinstances", "virtualmachineinstancepresets"),
        "virtualmachineinstancereplicasets",
    ),
    "snapshot.kubevirt.io": (
        *("virtualmachinesnapshots", "virtualmachinesnapshotcontents", "virtualmachinerestores"),
    ),
    "export.kubevirt.io": ("virtualmachineexports",),
    "clone.kubevirt.io": ("virtualmachineclones",),
    "instancetype.kubevirt.io": (
        *("virtualmachineinstancetypes", "virtualmachinepreferences"),
        *_CLUSTERWIDE,
    ),
    "pool.kubevirt.io": ("virtualmachinepools",),
    "backup.kubevirt.io": ("virtualmachinebackups", "virtualmachinebackuptrackers"),
}
_CONFIGURED = ("cdiconfigs", "storageprofiles")
_FILLED = (
    *("datavolumes", "dataimportcrons", "datasources"),
    *("volumeimportsources", "volumeuploadsources", "volumeclonesources"),
)
_OF_CDI = {
    "cdi.kubevirt.io": "",
    "app.kubernetes.io/component": "storage",
    "app.kubernetes.io/managed-by": "cdi-operator",
    "operator.cdi.kubevirt.io": "",
}
# What who may only look may ask a guest.
_SEEN = ("guestosinfo", "filesystemlist", "userlist", "sev/fetchcertchain", "sev/querylaunchmeasurement")
_ENTERED = ("console", "vnc", "vnc/screenshot", "portforward", "usbredir")
_CHANGED = (
    *("pause", "unpause", "addvolume", "removevolume", "freeze", "unfreeze", "softreboot", "reset"),
    *("sev/setupsession", "sev/injectlaunchsecret", "evacuate/cancel"),
)
_DRIVEN = (
    *("start", "stop", "restart", "addvolume", "removevolume", "memorydump", "removememorydump"),
    "evacuate/cancel",
)


def roles(*, aggregated: bool = True) -> list[Object]:
    """The roles, and the bindings of those that everybody has. Only if `aggregated`, Kubernetes' own take them in."""
    joins = "true" if aggregated else "false"
    default = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
    return [
        _role(
            "kubevirt.io:default",
            [_rule("kubevirt.io", ["kubevirts"], "get", "list"), _sub(["version", "guestfs"], "get", "list")],
            {"kubernetes.io/bootstrapping": "rbac-defaults"},
            default,
        ),
        _for_everybody("kubevirt.io:default", default),
        _role("kubevirt.io:admin", _rules(_ALL), {f"{_RBAC}/aggregate-to-admin": joins}),
        _role("kubevirt.io:edit", _rules(_WRITE), {f"{_RBAC}/aggregate-to-edit": joins}),
        _role("kubevirt.io:view", _rules(_READ), {f"{_RBAC}/aggregate-to-view": joins}),
        _role("instancetype.kubevirt.io:view", [_rule("instancetype.kubevirt.io", _CLUSTERWIDE, *_READ)]),
        _for_everybody("instancetype.kubevirt.io:view", default),
        _role(
            "kubevirt.io:migrate",
            [_sub(["virtualmachines/migrate"], "update"), _rule("kubevirt.io", [_MIGRATIONS], *_ALL)],
        ),
    ]


def for_installers() -> Object:
    """Who is admin may install KubeVirt. It is made with virt-operator, not by it."""
    labels = {"operator.kubevirt.io": "", f"{_RBAC}/aggregate-to-admin": "true"}
    role = _role("kubevirt.io:operator", [_rule("kubevirt.io", ["kubevirts"], *_ALL)])
    return {**role, "metadata": {"name": "kubevirt.io:operator", "labels": labels}}


def cdi() -> list[Object]:
    """CDI's, and what everybody may read of it."""
    group = "cdi.kubevirt.io"
    changes = [
        _rule(group, _FILLED, "*"),
        _rule(group, ["datavolumes/source"], "create"),
        _rule(f"upload.{group}", ["uploadtokenrequests"], "*"),
    ]
    looks = [
        _rule(group, (*_CONFIGURED, "objecttransfers", *_FILLED), *_READ),
        _rule(group, ["datavolumes/source"], "create"),
    ]
    made = [
        _role(f"{group}:admin", changes, {f"{_RBAC}/aggregate-to-admin": "true"}),
        _role(f"{group}:edit", changes, {f"{_RBAC}/aggregate-to-edit": "true"}),
        _role(f"{group}:view", looks, {f"{_RBAC}/aggregate-to-view": "true"}),
        _role(f"{group}:config-reader", [_rule(group, _CONFIGURED, *_READ)]),
        _for_everybody(f"{group}:config-reader", EMPTY),
    ]
    for one in made:
        theirs = {key: value for key, value in one["metadata"]["labels"].items() if key.startswith(_RBAC)}
        one["metadata"]["labels"] = {**_OF_CDI, **theirs}
    return made


def following(kubevirt: Obj) -> list[Object]:
    """The roles as a KubeVirt object wants them joined to Kubernetes' own."""
    configuration = kubevirt["spec"].get("configuration") or {}
    manual = configuration.get("roleAggregationStrategy") == "Manual"
    return roles(aggregated=not (manual and ClusterConfig(raw=configuration).gate("OptOutRoleAggregation")))


def _rules(verbs: tuple[str, ...]) -> list[Object]:
    """What somebody may who may do this to objects; migrations are looked at only."""
    changes = verbs is not _READ
    asked = (*_SEEN, *(_ENTERED if changes else ()))
    rules = [
        _rule("kubevirt.io", ["kubevirts"], "get", "list"),
        _sub([f"virtualmachineinstances/{name}" for name in asked], "get"),
        _sub(
            ["virtualmachines/expand-spec", *(["virtualmachines/portforward"] if changes else ())],
            "get",
        ),
        _sub(["expand-vm-spec"], "update"),
    ]
    if changes:
        rules.append(_sub([f"virtualmachineinstances/{name}" for name in _CHANGED], "update"))
        rules.append(_sub([f"virtualmachines/{name}" for name in _DRIVEN], "update"))
    rules += [_rule(group, resources, *verbs) for group, resources in _GROUPS.items()]
    rules.append(_rule("kubevirt.io", [_MIGRATIONS], *_READ))
    rules.append(_rule("migrations.kubevirt.io", ["migrationpolicies"], *_READ))
    return rules


def _sub(resources: list[str], *verbs: str) -> Object:
    return _rule(_SUBRESOURCES, resources, *verbs)


def _rule(group: str, resources: list[str] | tuple[str, ...], *verbs: str) -> Object:
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}


def _role(name: str, rules: list[Object], labels: Marks = EMPTY, annotations: Marks = EMPTY) -> Object:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": _meta(name, labels, annotations),
        "rules": rules,
    }


def _for_everybody(name: str, annotations: Marks) -> Object:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": _meta(name, annotations=annotations),
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "Group", "apiGroup": _RBAC, "name": "system:authenticated"}],
    }


def _meta(name: str, labels: Marks = EMPTY, annotations: Marks = EMPTY) -> Object:
    """The operator marks what it makes."""
    marks = {
        "kubevirt.io": "",
        "app.kubernetes.io/component": "kubevirt",
        "app.kubernetes.io/managed-by": "virt-operator",
    }
    found: Object = {"name": name, "labels": {**marks, **labels}}
    return {**found, "annotations": dict(annotations)} if annotations else found
