"""The claim behind a volume of a machine or an instance. Pure."""

from fakekube.machinery.objects import Obj, dig


def behind(volume: Obj) -> str:
    """The claim a volume brings along, or empty; a DataVolume's bears its name. What launchers mount is more (`instance.claim_name`)."""
    return str(dig(volume, "persistentVolumeClaim", "claimName") or dig(volume, "dataVolume", "name") or "")
