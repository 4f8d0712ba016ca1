"""What volumes of well-known provisioners can, the best first, and how CDI clones them. Pure.

Left out are the storage systems of single vendors whose drivers are many in one: what classes of theirs can has to be said.
Origin: cdi: pkg/storagecapabilities/storagecapabilities.go
"""

from collections.abc import Mapping

from fakekube.machinery.objects import Obj

Ability = tuple[str, str]  # an access mode, and the volume mode it is had with

_BLOCK: Ability = ("ReadWriteOnce", "Block")
_FILES: Ability = ("ReadWriteOnce", "Filesystem")
_SHARED_BLOCK: Ability = ("ReadWriteMany", "Block")
_SHARED_FILES: Ability = ("ReadWriteMany", "Filesystem")
_ARRAY = (_SHARED_BLOCK, _BLOCK, _FILES)
_LOCAL = (_BLOCK, _FILES)
OWN = "fakekube.io/volumes"  # of the class there is from the beginning

_KNOWN: Mapping[str, tuple[Ability, ...]] = {
    OWN: (_FILES, _BLOCK),
    "block.csi.ibm.com": _ARRAY,
    "blockvolume.csi.oraclecloud.com": _ARRAY,
    "cephfs.csi.ceph.com": (_SHARED_FILES,),
    "cinder.csi.openstack.org": _LOCAL,
    "csi.hpe.com": _ARRAY,
    "csi.ovirt.org": _LOCAL,
    "disk.csi.azure.com": (_BLOCK,),
    "driver.longhorn.io": (_BLOCK,),
    "ebs.csi.aws.com": (_BLOCK,),
    "efs.csi.aws.com": (_SHARED_FILES, _FILES),
    "file.csi.azure.com": (_SHARED_FILES,),
    "hspc.csi.hitachi.com": _ARRAY,
    "k8s-sigs.io/nfs-subdir-external-provisioner": (_SHARED_FILES,),
    "k8s.io/minikube-hostpath": (_FILES,),
    "kubernetes.io/aws-ebs": (_BLOCK,),
    "kubernetes.io/azure-disk": (_BLOCK,),
    "kubernetes.io/azure-file": (_SHARED_FILES,),
    "kubernetes.io/gce-pd": (_BLOCK,),
    "kubernetes.io/rbd": _ARRAY,
    "kubernetes.io/storageos": (_FILES,),
    "kubesan.gitlab.io": (_SHARED_BLOCK, ("ReadOnlyMany", "Block"), _BLOCK, _FILES),
    "kubevirt.io.hostpath-provisioner": (_FILES,),
    "kubevirt.io/hostpath-provisioner": (_FILES,),
    "manila.csi.openstack.org": (_SHARED_FILES,),
    "nfs.csi.k8s.io": (_SHARED_FILES,),
    "openshift-storage.cephfs.csi.ceph.com": (_SHARED_FILES,),
    "openshift-storage.rbd.csi.ceph.com": _ARRAY,
    "pd.csi.storage.gke.io": (_BLOCK,),
    "rbd.csi.ceph.com": _ARRAY,
    "rook-ceph.rbd.csi.ceph.com": _ARRAY,
    "spectrumscale.csi.ibm.com": (_SHARED_FILES, _FILES),
    "storageos": (_FILES,),
    "topolvm.cybozu.com": _LOCAL,
    "topolvm.io": _LOCAL,
}

_ANY: frozenset[str] = frozenset()
_VARIANTS: Mapping[str, tuple[tuple[str, frozenset[str], tuple[Ability, ...]], ...]] = {
    "driver.longhorn.io": (
        ("migratable", frozenset({"true"}), (_SHARED_BLOCK, _BLOCK)),
        ("nfsOptions", _ANY, (_SHARED_FILES, _FILES)),
        ("fsType", _ANY, (_FILES,)),
    ),
    "ebs.csi.aws.com": (("type", frozenset({"io2"}), _ARRAY),),
    "pd.csi.storage.gke.io": (
        ("type", frozenset({"hyperdisk-balanced", "hyperdisk-balanced-high-availability"}), _ARRAY),
    ),
}  # a parameter, its values or any, what is so then; the first that fits

_CLONED_BY_DRIVER = frozenset(
    {
        OWN,
        "block.csi.ibm.com",
        "cephfs.csi.ceph.com",
        "csi.hpe.com",
        "hspc.csi.hitachi.com",
        "kubesan.gitlab.io",
        "openshift-storage.cephfs.csi.ceph.com",
        "openshift-storage.rbd.csi.ceph.com",
        "rook-ceph.rbd.csi.ceph.com",
        "spectrumscale.csi.ibm.com",
    }
)


def of(storage_class: Obj) -> tuple[Ability, ...]:
    """What volumes of a class can; empty if nobody knows."""
    provisioner, parameters = storage_class.get("provisioner", ""), storage_class.get("parameters") or {}
    for parameter, values, able in _VARIANTS.get(provisioner, ()):
        if (found := parameters.get(parameter)) and (not values or found in values):
            return able
    return _KNOWN.get(provisioner, ())


def clone_strategy(storage_class: Obj) -> str:
    """How its volumes are cloned where nobody says."""
    return "csi-clone" if storage_class.get("provisioner") in _CLONED_BY_DRIVER else "copy"
