"""Pod templates, and the selectors that have to fit them.

Origin: k8s: pkg/apis/core/validation/validation.go (ValidatePodTemplateSpec), pkg/apis/apps/validation/validation.go
"""

from collections.abc import Mapping
from typing import Any

from fakekube.api.builtins.strategies.checks import Causes
from fakekube.api.builtins.strategies.pod_spec import defaults, spec, warnings
from fakekube.machinery import names, selectors
from fakekube.machinery.field_checks import label_selector
from fakekube.machinery.field_errors import forbidden, invalid, not_supported, required
from fakekube.machinery.selectors import SelectorError
from fakekube.machinery.wire import Object

Member = Mapping[str, Any]

MISMATCH = "`selector` does not match template `labels`"
_SAY_NAME = (
    "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is "
    "recommended: "
)


def default(template: dict[str, Any]) -> None:
    """Defaults of a template, in place."""
    defaults.pod_spec(template.setdefault("spec", {}))


def labels_of(template: Member) -> dict[str, str]:
    return (template.get("metadata") or {}).get("labels") or {}


def metadata(template: Member, path: str) -> Causes:
    """Labels and annotations. Upstream leaves `metadata` out of these paths."""
    meta = template.get("metadata") or {}
    found = names.check_labels(meta["labels"], f"{path}.labels") if "labels" in meta else []
    if "annotations" in meta:
        found += names.check_annotations(meta["annotations"], f"{path}.annotations")
        found += spec.annotations(meta["annotations"], template.get("spec") or {}, f"{path}.annotations")
    return found


def template(one: Member, path: str) -> Causes:
    """A whole template."""
    inner = one.get("spec") or {}
    found = metadata(one, path) + spec.pod_spec(inner, f"{path}.spec")
    if inner.get("ephemeralContainers"):
        said = "ephemeral containers not allowed in pod template"
        found.append(forbidden(f"{path}.spec.ephemeralContainers", said))
    return found


def always_restarting(one: Member, path: str, kind: str) -> Causes:
    """What controllers that keep pods running ask of their template on top."""
    inner = one.get("spec") or {}
    found: Causes = []
    policy = inner.get("restartPolicy") or ""
    if policy != "Always":
        found.append(not_supported(f"{path}.spec.restartPolicy", policy, ["Always"]))
    if "activeDeadlineSeconds" in inner:
        said = f"activeDeadlineSeconds in {kind} is not Supported"
        found.append(forbidden(f"{path}.spec.activeDeadlineSeconds", said))
    return found


def selector(inner: Member, kind: str, path: str = "spec") -> Causes:
    """`selector` of a workload: there, sound, and about something."""
    one = inner.get("selector")
    if one is None:
        return [required(f"{path}.selector")]
    found = label_selector(one, f"{path}.selector")
    if not one.get("matchLabels") and not one.get("matchExpressions"):
        found.append(invalid(f"{path}.selector", one, f"empty selector is invalid for {kind}"))
    return found


def fits(one: Member | None, template: Member, path: str, *, broken: str | None) -> Causes:
    """Whether the selector finds the template's pods. `broken` is what is said of one that cannot be read (None: nothing)."""
    labels = labels_of(template)
    try:
        chosen = selectors.from_object(one)
    except SelectorError:
        return [] if broken is None else [invalid(f"{path}.selector", one, broken)]
    if chosen.everything or chosen.matches(labels):
        return []
    return [invalid(f"{path}.template.metadata.labels", dict(sorted(labels.items())) or None, MISMATCH)]


def name_warning(obj: Object) -> list[str]:
    """A name that will not do as a host name."""
    said = names.label(obj["metadata"]["name"])
    return [f"{_SAY_NAME}[{' '.join(said)}]"] if said else []


def remarks(template: Member, path: str) -> list[str]:
    """Texts about a template that stands at `path`."""
    return warnings.of_spec(template.get("spec") or {}, template.get("metadata") or {}, f"{path}.")
