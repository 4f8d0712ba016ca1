"""Webhook configurations as objects; calling webhooks is admission's business.

Origin: k8s: pkg/apis/admissionregistration/{v1/defaults.go,validation/validation.go}
"""

from typing import Any
from urllib.parse import urlsplit

from fakekube.api.builtins.strategies import checks
from fakekube.api.builtins.strategies.checks import Causes
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.machinery import field_checks, names
from fakekube.machinery.field_errors import duplicate, invalid, not_supported, required
from fakekube.machinery.wire import Object

FAILURE = ("Fail", "Ignore")
MATCH = ("Equivalent", "Exact")
_REINVOCATION = ("IfNeeded", "Never")
_SCOPES = ("*", "Cluster", "Namespaced")
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_VERSIONS = ("v1", "v1beta1")
_FORM = "desired format: https://host[/path]"


class WebhookConfigurationStrategy(BuiltinStrategy):
    """Mutating and validating ones."""

    def default(self, obj: Object) -> None:
        super().default(obj)
        for hook in obj.get("webhooks") or ():
            service = (hook.setdefault("clientConfig", {})).get("service")
            if service:
                service.setdefault("port", 443)
            hook.setdefault("failurePolicy", "Fail")
            hook.setdefault("timeoutSeconds", 10)
            if self.kind == "MutatingWebhookConfiguration":
                hook.setdefault("reinvocationPolicy", "Never")
            default_match(hook)
            for rule in hook.get("rules") or ():
                rule.setdefault("scope", "*")

    def validate_create(self, obj: Object) -> Causes:
        found: Causes = []
        seen: set[str] = set()
        for index, hook in enumerate(obj.get("webhooks") or ()):
            at = f"webhooks[{index}]"
            found += _webhook(hook, at)
            name = hook.get("name") or ""
            if name in seen:
                found.append(duplicate(f"{at}.name", name))
            seen.add(name)
        return found

    def validate_update(self, new: Object, old: Object) -> Causes:
        return self.validate_create(new)


def default_match(target: dict[str, Any]) -> None:
    """Everything is meant unless said otherwise, whatever version it is written in."""
    target.setdefault("namespaceSelector", {})
    target.setdefault("objectSelector", {})
    target.setdefault("matchPolicy", "Equivalent")


def _webhook(hook: dict[str, Any], at: str) -> Causes:
    found = _domain(hook.get("name") or "", f"{at}.name")
    found += checks.each(hook.get("rules"), f"{at}.rules", rule_with_operations)
    found += field_checks.one_of(hook.get("failurePolicy"), f"{at}.failurePolicy", FAILURE, missing=None)
    found += field_checks.one_of(hook.get("matchPolicy"), f"{at}.matchPolicy", MATCH, missing=None)
    missing = "must specify one of " + ", ".join(_SIDE_EFFECTS)
    found += field_checks.one_of(hook.get("sideEffects"), f"{at}.sideEffects", _SIDE_EFFECTS, missing=missing)
    seconds = hook.get("timeoutSeconds")
    if seconds is not None and not 1 <= seconds <= 30:
        said = "the timeout value must be between 1 and 30 seconds"
        found.append(invalid(f"{at}.timeoutSeconds", seconds, said))
    for member in ("namespaceSelector", "objectSelector"):
        found += field_checks.label_selector(hook.get(member), f"{at}.{member}")
    found += field_checks.one_of(
        hook.get("reinvocationPolicy"), f"{at}.reinvocationPolicy", _REINVOCATION, missing=None
    )
    found += client_config(hook.get("clientConfig") or {}, f"{at}.clientConfig")
    found += _conditions(hook.get("matchConditions"), f"{at}.matchConditions")
    return found + _review_versions(
        hook.get("admissionReviewVersions") or [], f"{at}.admissionReviewVersions"
    )


def _conditions(raws: list[dict[str, Any]] | None, at: str) -> Causes:
    if not raws:
        return []
    from fakekube.api.admission import expression_rules  # noqa: PLC0415 - few configurations need CEL

    return list(expression_rules.match_conditions(raws, at))


def _domain(name: str, at: str) -> Causes:
    if not name:
        return [required(at)]
    found = field_checks.dns_subdomain(name, at)
    if not found and name.count(".") < 2:
        found.append(invalid(at, name, "should be a domain with at least three segments separated by dots"))
    return found


def _review_versions(versions: list[str], at: str) -> Causes:
    if not versions:
        return [required(at, f"must specify one of {', '.join(_VERSIONS)}")]
    found: Causes = []
    for index, version in enumerate(versions):
        if version in versions[:index]:
            found.append(invalid(f"{at}[{index}]", version, "duplicate version"))
        found += field_checks.texts(f"{at}[{index}]", version, names.label_1035(version))
    if not found and not any(version in _VERSIONS for version in versions):
        found.append(invalid(at, versions, f"must include at least one of {', '.join(_VERSIONS)}"))
    return found


def client_config(config: dict[str, Any], at: str) -> Causes:
    """Where a webhook is: exactly one of an https URL and a service."""
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        return [required(at, "exactly one of url or service is required")]
    if service is None:
        return _url(str(url), f"{at}.url")
    found = [
        required(f"{at}.service.{member}", f"service {member} is required")
        for member in ("name", "namespace")
        if not service.get(member)
    ]
    port = service.get("port", 443)
    if not 1 <= port <= 65535:
        found.append(
            invalid(f"{at}.service.port", port, "port is not valid: must be between 1 and 65535, inclusive")
        )
    path = service.get("path")
    if path is not None and not path.startswith("/"):
        found.append(invalid(f"{at}.service.path", path, "must start with a '/'"))
    elif path and path != "/":
        segments = path[1:].removesuffix("/").split("/")
        for index, segment in enumerate(segments):
            said = [f"segment[{index}] may not be empty"] if not segment else names.subdomain(segment)
            found += field_checks.texts(f"{at}.service.path", path, said)
    return found


def _url(url: str, at: str) -> Causes:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        return [required(at, f"url must be a valid URL: {error}; {_FORM}")]
    found: Causes = []
    if parts.scheme != "https":
        said = f"'https' is the only allowed URL scheme; {_FORM}"
        found.append(invalid(at, parts.scheme, said))
    if not parts.netloc:
        found.append(invalid(at, parts.netloc, f"host must be specified; {_FORM}"))
    if parts.username is not None:
        found.append(
            invalid(at, parts.netloc.rpartition("@")[0], "user information is not permitted in the URL")
        )
    if parts.fragment:
        found.append(invalid(at, parts.fragment, "fragments are not permitted in the URL"))
    if parts.query:
        found.append(invalid(at, parts.query, "query parameters are not permitted in the URL"))
    return found


def rule_with_operations(rule: dict[str, Any], at: str) -> Causes:
    """Which operations on which resources are meant."""
    found: Causes = []
    operations = rule.get("operations") or []
    if not operations:
        found.append(required(f"{at}.operations"))
    if len(operations) > 1 and "*" in operations:
        said = "if '*' is present, must not specify other operations"
        found.append(invalid(f"{at}.operations", operations, said))
    for index, operation in enumerate(operations):
        if operation not in _OPERATIONS:
            found.append(not_supported(f"{at}.operations[{index}]", operation, list(_OPERATIONS)))
    for member, what in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        values = rule.get(member) or []
        if not values:
            found.append(required(f"{at}.{member}"))
        if len(values) > 1 and "*" in values:
            found.append(
                invalid(f"{at}.{member}", values, f"if '*' is present, must not specify other {what}")
            )
    found += [
        required(f"{at}.apiVersions[{index}]")
        for index, version in enumerate(rule.get("apiVersions") or ())
        if not version
    ]
    resources = rule.get("resources") or []
    if not resources:
        found.append(required(f"{at}.resources"))
    if "*/*" in resources and len(resources) > 1:
        said = "if '*/*' is present, must not specify other resources"
        found.append(invalid(f"{at}.resources", resources, said))
    found += [
        required(f"{at}.resources[{index}]") for index, resource in enumerate(resources) if not resource
    ]
    return found + field_checks.one_of(rule.get("scope"), f"{at}.scope", _SCOPES, missing=None)
