"""The ways to fill the claim of a DataVolume, and the words CDI has for each.

Origin: cdi: pkg/controller/datavolume/*-controller.go, staging/…/core/v1beta1/types.go (DataVolumePhase)
"""

from dataclasses import dataclass

from fakekube.machinery.objects import Obj, annotations, dig

POD_PHASE = "cdi.kubevirt.io/storage.pod.phase"  # on a claim: how far the pod is that fills it


@dataclass(frozen=True, slots=True)
class Transfer:
    """The words of one way to fill a claim."""

    verb: str  # begins the phases and the event reasons
    in_progress: str
    noun: str  # begins the messages
    done: str  # the message of success
    ends: bool = True  # uploads wait for somebody to send the data

    @property
    def scheduled(self) -> str:
        return f"{self.verb}Scheduled"


IMPORT = Transfer("Import", "ImportInProgress", "Import into", "Successfully imported into PVC")
CLONE = Transfer("Clone", "CSICloneInProgress", "Cloning into", "Successfully cloned into PVC")
UPLOAD = Transfer("Upload", "UploadReady", "Upload into", "Successfully uploaded into PVC", ends=False)


def transfer_of(volume: Obj) -> Transfer:
    source = dig(volume, "spec", "source", default={})
    if "upload" in source:
        return UPLOAD
    if "pvc" in source or "snapshot" in source or dig(volume, "spec", "sourceRef"):
        return CLONE
    return IMPORT


def uploaded(claim: Obj | None) -> bool:
    """Whether somebody has sent what the claim was made for."""
    return claim is not None and annotations(claim).get(POD_PHASE) == "Succeeded"
