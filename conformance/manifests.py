"""Pools, VMs and what they need, as small as an admission webhook allows."""

from typing import Any

from conformance.kube import Object

FINALIZER = "pool.kubevirt.io/finalizer"
REVISION_LABEL = "kubevirt.io/vm-pool-revision-name"
LABELS = {"app": "p"}


def vmi_template(
    memory: str = "64Mi",
    *,
    labels: dict[str, str] | None = None,
    volumes: list[Object] | None = None,
    **spec: Any,
) -> Object:
    """What a guest is made of. Each volume gets its disk."""
    devices: Object = {"disks": [{"name": one["name"], "disk": {"bus": "virtio"}} for one in volumes or ()]}
    body: Object = {
        "domain": {"memory": {"guest": memory}, "devices": devices if volumes else {}},
        "terminationGracePeriodSeconds": 0,
        **spec,
    }
    if volumes:
        body["volumes"] = volumes
    return {"metadata": {"labels": {"guest": "p"} if labels is None else labels}, "spec": body}


def template(
    memory: str = "64Mi",
    *,
    running: bool = False,
    labels: dict[str, str] | None = None,
    metadata: Object | None = None,
    vmi: Object | None = None,
    **spec: Any,
) -> Object:
    """What VMs are made of: stopped ones, unless `running`."""
    return {
        "metadata": {"labels": LABELS if labels is None else labels, **(metadata or {})},
        "spec": {
            "runStrategy": "Always" if running else "Halted",
            "template": vmi or vmi_template(memory),
            **spec,
        },
    }


def pool(
    name: str = "p", replicas: int | None = 3, *, labels: dict[str, str] | None = None, **spec: Any
) -> Object:
    """A pool; `template=` and every other field of its spec by name."""
    given = spec.pop("template", None) or template(labels=labels)
    body: Object = {
        "selector": {"matchLabels": LABELS if labels is None else labels},
        "virtualMachineTemplate": given,
    }
    if replicas is not None:
        body["replicas"] = replicas
    return {
        "apiVersion": "pool.kubevirt.io/v1beta1",
        "kind": "VirtualMachinePool",
        "metadata": {"name": name},
        "spec": body | spec,
    }


def vm(
    name: str, *, labels: dict[str, str] | None = None, owners: list[Object] | None = None, **more: Any
) -> Object:
    """A VM of nobody, or of `owners`."""
    meta: Object = {"name": name, "labels": LABELS if labels is None else labels}
    if owners:
        meta["ownerReferences"] = owners
    body = template(**more)
    return {
        "metadata": meta
        | {key: body["metadata"][key] for key in ("annotations",) if key in body["metadata"]},
        "spec": body["spec"],
    }


def disk(name: str, **source: Any) -> Object:
    """A volume: `disk("a", configMap={"name": "c"})`."""
    return {"name": name, **source}


def data_volume_template(name: str = "d") -> Object:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Mi"}}}
    return {"metadata": {"name": name}, "spec": {"source": {"blank": {}}, "pvc": claim}}


def with_storage(*, running: bool = False, memory: str = "64Mi") -> Object:
    """A template whose VMs have a disk of their own each."""
    return template(
        running=running,
        vmi=vmi_template(memory, volumes=[disk("root", dataVolume={"name": "d"})]),
        dataVolumeTemplates=[data_volume_template()],
    )


def owner(obj: Object, *, controller: bool = True) -> Object:
    """The owner reference that makes something `obj`'s."""
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "name": obj["metadata"]["name"],
        "uid": obj["metadata"]["uid"],
        **({"controller": True, "blockOwnerDeletion": True} if controller else {}),
    }


def proactive(sort: str = "", *, selectors: Object | None = None, **more: Any) -> Object:
    """A strategy of that name; goes for scale-in and for updates."""
    policy: Object = {
        **({"sortPolicy": sort} if sort else {}),
        **({"selectors": selectors} if selectors else {}),
    }
    return {"proactive": {**({"selectionPolicy": policy} if policy else {}), **more}}
