"""Stage files of users → stages, or the file, the line and the reason why not.

Beside what every stage file is checked for (`lifecycle.reading`), the kind must be one there is, and names in templates must
be ones that somebody provides for that kind. Kinds of a user's own CRDs cannot be checked before they are there.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from os import PathLike
from pathlib import Path

from msgspec.structs import replace

from fakekube.agents.pods import view as pods
from fakekube.api.builtins.tables import resources
from fakekube.lifecycle import loading
from fakekube.lifecycle.requirements import Program
from fakekube.lifecycle.stage import Stage, StageError
from fakekube.virt.cdi import volume_view
from fakekube.virt.handler import guest_view, launcher
from fakekube.virt.operator.crds import crds

NAMES = {
    ("", "Pod"): pods.NAMES | launcher.NAMES,
    ("kubevirt.io", "VirtualMachineInstance"): guest_view.NAMES,
    ("cdi.kubevirt.io", "DataVolume"): volume_view.NAMES,
}


def load(paths: Iterable[str | PathLike[str]]) -> tuple[Stage, ...]:
    """The stages of files and folders. Their delays hold as written, whatever the pace. Raises StageError."""
    found: dict[tuple[str, str, str], Stage] = {}
    for path in paths:
        for stage in loading.load(Path(path), names=NAMES, kinds=known, cel=_cel):
            key = (stage.group, stage.kind, stage.name)
            if key in found:
                raise StageError(str(path), 0, f"a second stage called {stage.name} for {stage.kind}")
            found[key] = replace(stage, scaled=False)
    return tuple(found.values())


def _cel(text: str) -> Program:
    from fakekube.stage_files.cel import Condition  # noqa: PLC0415 - few files need the engine

    return Condition(text)


def known(group: str, kind: str) -> str:
    """Why there cannot be such a kind; empty: there may be."""
    built_in = {(one.group, one.kind) for one in resources()}
    installed = {(one["spec"]["group"], one["spec"]["names"]["kind"]) for one in crds()}
    if (group, kind) in built_in | installed:
        return ""
    if group and group not in {one for one, _ in built_in | installed} and "." in group:
        return ""
    kinds = {one: of for of, one in built_in | installed}
    if kind in kinds:
        return f"{kind} is of the group {kinds[kind] or 'v1'}, not {group or 'v1'}"
    near = get_close_matches(kind, kinds, n=1)
    return f"there is no kind {kind}" + (f"; did you mean {near[0]}?" if near else "")
