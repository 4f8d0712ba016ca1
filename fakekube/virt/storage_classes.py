"""The class of claims that KubeVirt and CDI make and nobody says the class of: the one marked for machines, if it is one of
a machine, else the cluster's default. Pure.

Origin: cdi: pkg/controller/common/util.go; kubevirt: pkg/storage/backend-storage/backend-storage.go
"""

from collections.abc import Iterable

from fakekube.machinery.objects import Obj, annotations, name

_MARKS = (  # the first one found wins
    "storageclass.kubevirt.io/is-default-virt-class",
    "storageclass.kubernetes.io/is-default-class",
)


def default(classes: Iterable[Obj], *, of_machines: bool = True) -> str:
    """The name of the default class, or empty."""
    known = list(classes)
    for mark in _MARKS if of_machines else _MARKS[1:]:
        for one in known:
            if annotations(one).get(mark) == "true":
                return name(one)
    return ""
