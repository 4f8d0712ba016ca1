"""The pool's validating webhook. Pure.

Origin: kubevirt: pkg/virt-api/webhooks/validating-webhook/admitters/vmpool-admitter.go
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.machinery import digits, selectors
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object
from fakekube.virt.api import machine_spec, networks
from fakekube.virt.causes import Cause, required
from fakekube.virt.config import ClusterConfig

_STRATEGIES = ("unmanaged", "opportunistic", "proactive")
_HIGHEST_PERCENTAGE = 100


def validate(pool: Object, old: Object | None, config: ClusterConfig) -> list[Cause]:
    """What is wrong with a pool: its machines first, then the selector, then its own settings."""
    spec: Mapping[str, Any] = pool.get("spec") or {}
    template = spec.get("virtualMachineTemplate")
    if template is None:
        return [required(machine_spec.MISSING_TEMPLATE, "spec.template")]
    machine = template.get("spec") or {}
    found = [
        *machine_spec.validate("spec.virtualMachineTemplate.spec", machine, config),
        *selector_fits(spec.get("selector"), template),
        *_max_unavailable(spec.get("maxUnavailable")),
        *_one_strategy("spec.updateStrategy", spec.get("updateStrategy")),
        *_one_strategy("spec.scaleInStrategy", spec.get("scaleInStrategy")),
    ]
    if old is not None:
        if _said(spec.get("selector")) != _said(dig(old, "spec", "selector")):
            found.append(Cause("selector is immutable after creation.", "spec.selector"))
    elif dig(machine, "template", "spec", "domain") is not None:
        found += networks.discontinued(machine["template"]["spec"], config)
    return found


def _said(selector: Mapping[str, Any] | None) -> Any:
    """A selector without what says nothing: an empty list or map is as good as none."""
    if selector is None:
        return None
    expressions = [
        {member: value for member, value in one.items() if value}
        for one in selector.get("matchExpressions") or ()
    ]
    return selector.get("matchLabels") or {}, expressions


def selector_fits(selector: Mapping[str, Any] | None, template: Mapping[str, Any]) -> Iterator[Cause]:
    """A selector can be read, and selects what is made from the template."""
    try:
        parsed = selectors.from_object(selector)
    except selectors.SelectorError as error:
        yield Cause(str(error), "spec.selector")
        return
    if not parsed.matches(dig(template, "metadata", "labels") or {}):
        yield Cause("selector does not match labels.", "spec.selector")


def _max_unavailable(given: Any) -> Iterator[Cause]:
    field = "spec.maxUnavailable"
    if given is None:
        return
    if isinstance(given, int):
        if given <= 0:
            yield Cause("maxUnavailable must be greater than 0", field)
        return
    text = str(given)
    if not text.endswith("%"):
        yield Cause("maxUnavailable percentage must end with %", field)
        return
    value = text[:-1]
    try:
        percentage = digits.parsed("Atoi", value)
    except ValueError as error:
        yield Cause(f'maxUnavailable percentage value "{value}" is invalid: {error}', field)
        return
    if not 1 <= percentage <= _HIGHEST_PERCENTAGE:
        yield Cause(f"maxUnavailable percentage value {percentage} must be between 1 and 100", field)


def _one_strategy(field: str, given: Mapping[str, Any] | None) -> Iterator[Cause]:
    named = [name for name in _STRATEGIES if (given or {}).get(name) is not None]
    if len(named) > 1:
        yield Cause(
            f"only one strategy can be configured at a time: but found {', '.join(named)} strategies", field
        )
