"""What cdi-apiserver finds wrong with what claims are filled from (VolumeImportSources, VolumeUploadSources): the first thing,
as upstream stops there. Pure.

Origin: cdi: pkg/apiserver/webhooks/{populators-validate,util}.go
"""

from collections.abc import Mapping
from typing import Any

from fakekube.virt.causes import Cause, duplicate
from fakekube.virt.cdi import rules, source_rules

Spec = Mapping[str, Any]

_LONGEST = 63
_CONTENTS = ("kubevirt", "archive")


def imported(name: str, new: Spec, old: Spec | None) -> Cause | None:
    """A VolumeImportSource; `old`: what it was, if it is not new."""
    if old is not None and not rules.stays(new, old):
        return duplicate("Cannot update VolumeImportSource Spec", "VolumeImportSource.Spec")
    if found := rules.named(name, _LONGEST) or _content(new):
        return found
    source = new.get("source") or {}
    kinds = [one for one, value in source.items() if value is not None]
    if len(kinds) != 1:
        return Cause(
            f"{'Multiple' if kinds else 'Missing'} VolumeImport source{'s' * bool(kinds)}", "spec.source"
        )
    if rules.is_in_stages(new) and not new.get("targetClaim"):
        text = "Unable to do multi-stage import without specifying a target claim"
        return Cause(text, "spec.targetClaim")
    return source_rules.source(kinds[0], source[kinds[0]], new.get("contentType") or "kubevirt", "spec")


def uploaded(name: str, new: Spec, old: Spec | None) -> Cause | None:
    """A VolumeUploadSource."""
    if old is not None and new != old:
        return duplicate("Cannot update VolumeUploadSource Spec", "VolumeUploadSource.Spec")
    return rules.named(name, _LONGEST) or _content(new)


def _content(spec: Spec) -> Cause | None:
    if spec.get("contentType") in (None, "", *_CONTENTS):
        return None
    return Cause(f"ContentType not one of: {', '.join(_CONTENTS)}", "spec.contentType")
