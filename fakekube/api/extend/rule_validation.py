"""CEL rules of a CRD: whether they are written properly, and whether they compile against the schema around them.

Each expression is also priced at its worst, times how often a request can hold the value it looks at; what is too expensive is
refused, alone or all together.
k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation/{validation,cel_validation}.go
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fakekube.api.extend.field_paths import FieldPathError, resolve
from fakekube.api.schema.model import Schema
from fakekube.machinery.field_errors import FieldError, invalid, not_supported, required

if TYPE_CHECKING:
    from fakekube.api.extend.rule_costs import Prices

Raw = Mapping[str, Any]

_KEY = "x-kubernetes-validations"
_REASONS = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"]


def mentioned(raw: Any) -> bool:
    """Whether there are rules anywhere in a schema."""
    if isinstance(raw, Mapping):
        return bool(raw.get(_KEY)) or any(map(mentioned, raw.values()))
    return isinstance(raw, list) and any(map(mentioned, raw))


def written(raw: Raw, path: str) -> Iterator[FieldError]:
    """What can be said of a node's rules without compiling them."""
    for index, rule in enumerate(raw.get(_KEY) or ()):
        at = f"{path}.{_KEY}[{index}]"
        text, message = str(rule.get("rule") or "").strip(), str(rule.get("message") or "")
        if not text:
            yield required(f"{at}.rule", "rule is not specified")
        elif message and not message.strip():
            yield invalid(f"{at}.message", message, "must be non-empty if specified")
        elif _has_newline(message.strip()):
            yield invalid(f"{at}.message", message, "must not contain line breaks")
        elif _has_newline(text) and not message.strip():
            yield required(f"{at}.message", "message must be specified if rule contains line breaks")
        expression = str(rule.get("messageExpression") or "")
        if expression and not expression.strip():
            yield required(f"{at}.messageExpression", "messageExpression must be non-empty if specified")
        if rule.get("reason") is not None and rule["reason"] not in _REASONS:
            yield not_supported(f"{at}.reason", rule["reason"], _REASONS)
        yield from _field_path(str(rule.get("fieldPath") or ""), raw, f"{at}.fieldPath")


def _has_newline(text: str) -> bool:
    return "\n" in text or "\r" in text


def _field_path(within: str, raw: Raw, at: str) -> Iterator[FieldError]:
    if not within:
        return
    if not within.strip():
        yield invalid(at, within, "must be non-empty if specified")
    if _has_newline(within):
        yield invalid(at, within, "must not contain line breaks")
    try:
        resolve(within, raw)
    except FieldPathError:
        yield invalid(at, within, "must be a valid path")


def compiled(schema: Schema, path: str) -> list[FieldError]:
    """What compiling and pricing all rules of a schema says."""
    from fakekube.api.extend.rule_costs import Prices  # noqa: PLC0415 - most definitions have no rules

    prices = Prices()
    found = list(_compiled(schema, path, prices, occurs=1, root=True))
    return found + prices.verdict(path)


def _compiled(
    node: Schema,
    path: str,
    prices: "Prices",
    *,
    occurs: int | None,
    root: bool = False,
    uncorrelatable: str = "",
) -> Iterator[FieldError]:
    """One node and what is below it. Below lists that are no maps an old item cannot be found."""
    from fakekube.api.schema import bounds, rules  # noqa: PLC0415 - as above

    whole = root or node.embedded_resource
    for index, rule in enumerate(rules.compile_rules(node, root=whole)):
        at = f"{path}.{_KEY}[{index}]"
        if rule.error:
            yield invalid(f"{at}.rule", _shown(rule.raw), rule.error)
        else:
            yield from prices.rule(node, rule.raw, f"{at}.rule", occurs, root=whole)
        if rule.message_error:
            yield invalid(f"{at}.messageExpression", _shown(rule.raw), rule.message_error)
        elif rule.message is not None:
            yield from prices.message(node, rule.raw, f"{at}.messageExpression", root=whole)
        if rule.is_transition:
            if uncorrelatable:
                text = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelatable}"
                yield invalid(f"{at}.rule", rule.raw["rule"], text)
        elif rule.program is not None and rule.raw.get("optionalOldSelf") is not None:
            text = "may not be set if oldSelf is not used in rule"
            yield invalid(f"{at}.optionalOldSelf", rule.raw["optionalOldSelf"], text)
    below = bounds.times(node, occurs)
    for name, child in node.properties.items():
        at = f"{path}.properties[{name}]"
        yield from _compiled(child, at, prices, occurs=below, uncorrelatable=uncorrelatable)
    if node.additional is not None:
        at = f"{path}.additionalProperties"
        yield from _compiled(node.additional, at, prices, occurs=below, uncorrelatable=uncorrelatable)
    if node.items is not None:
        lost = uncorrelatable or ("" if node.list_type == "map" else path)
        yield from _compiled(node.items, f"{path}.items", prices, occurs=below, uncorrelatable=lost)


def _shown(rule: Raw) -> dict[str, Any]:
    """A rule as the server's Go struct prints it inside an error."""
    return {
        "Rule": rule.get("rule") or "",
        "Message": rule.get("message") or "",
        "MessageExpression": rule.get("messageExpression") or "",
        "Reason": rule.get("reason"),
        "FieldPath": rule.get("fieldPath") or "",
        "OptionalOldSelf": rule.get("optionalOldSelf"),
    }
