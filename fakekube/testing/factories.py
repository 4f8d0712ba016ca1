"""Virtual machines and pools with everything that has to be said of them, to be varied by what a test is about.

    fakekube.vm("a", memory="1Gi", fate="fail-to-boot")
    fakekube.vmpool("web", replicas=3, template=fakekube.vm("", labels={"tier": "front"}))

Plain objects: change them as you like before they are applied.
"""

from collections.abc import Mapping
from typing import Any, Literal

from fakekube.machinery.copying import copy_of
from fakekube.machinery.wire import Object

RunStrategy = Literal["Always", "Halted", "Manual", "RerunOnFailure", "Once"]

_FATE = "fakekube.io/fate"


def vmi_spec(*, memory: str = "64Mi", cores: int = 0, **members: Any) -> Object:
    """The spec of an instance: what boots. `members` are those of the spec (`volumes`, `nodeSelector`, …)."""
    domain: Object = {"devices": {}, "memory": {"guest": memory}}
    if cores:
        domain["cpu"] = {"cores": cores}
    return {"domain": domain} | members


def vmi(
    name: str,
    *,
    namespace: str = "",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    fate: str = "",
    **spec: Any,
) -> Object:
    """A VirtualMachineInstance; `spec` is `vmi_spec`'s, `fate` what goes wrong with it (see docs/fates.md)."""
    meta = _meta(name, namespace, labels, annotations, fate)
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": meta,
        "spec": vmi_spec(**spec),
    }


def vm(
    name: str,
    *,
    namespace: str = "",
    run_strategy: RunStrategy = "Always",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    fate: str = "",
    data_volume_templates: list[Object] | None = None,
    **spec: Any,
) -> Object:
    """A VirtualMachine. Labels are its own and its instances', annotations and `fate` its instances'; `spec` is `vmi_spec`'s."""
    template: Object = {"metadata": _meta("", "", labels, annotations, fate), "spec": vmi_spec(**spec)}
    machine: Object = {"runStrategy": run_strategy, "template": template}
    if data_volume_templates:
        machine["dataVolumeTemplates"] = data_volume_templates
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": _meta(name, namespace, labels),
        "spec": machine,
    }


def vmpool(
    name: str,
    replicas: int = 1,
    *,
    namespace: str = "",
    template: Object | None = None,
    **spec: Any,
) -> Object:
    """A VirtualMachinePool of machines like `template`, which it finds by the label `pool`; `spec` has what else it says."""
    mark = {"pool": name}
    like = copy_of(template) if template is not None else vm("")
    labels = like["metadata"].get("labels") or {}
    like["spec"]["template"].setdefault("metadata", {}).setdefault("labels", {}).update(mark)
    return {
        "apiVersion": "pool.kubevirt.io/v1beta1",
        "kind": "VirtualMachinePool",
        "metadata": _meta(name, namespace),
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": mark},
            "virtualMachineTemplate": {"metadata": {"labels": labels | mark}, "spec": like["spec"]},
        }
        | spec,
    }


def _meta(
    name: str,
    namespace: str,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    fate: str = "",
) -> Object:
    marks = dict(annotations or {}) | ({_FATE: _checked(fate)} if fate else {})
    said = {"name": name, "namespace": namespace, "labels": dict(labels or {}), "annotations": marks}
    return {key: value for key, value in said.items() if value}


def _checked(fate: str) -> str:
    """The same. Raises ValueError for what no guest and no pod would understand: they only log it."""
    from fakekube.traffic.seen import meant  # noqa: PLC0415 - most objects have no fate
    from fakekube.virt.handler import fates  # noqa: PLC0415

    for word in fates.words(fate):
        try:
            fates.meaning(word)
        except ValueError as error:
            name = word.partition("=")[0]
            why = str(error) if name in fates.KNOWN else meant(name, fates.KNOWN)
            raise ValueError(f"there is no fate {word!r}: {why}") from None
    return fate
