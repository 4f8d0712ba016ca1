"""Rules that may get too expensive are refused with the CRD, in the real server's words."""

from typing import Any

from fakekube.api.extend import schema_rules

AT = "spec.validation.openAPIV3Schema"
ADVICE = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"


def refused(spec: dict[str, Any]) -> list[str]:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}}
    return [str(one) for one in schema_rules.check(schema, AT, status=False)]


def texts(*rules: dict[str, str], **limits: int) -> dict[str, Any]:
    items: dict[str, Any] = {"type": "string"}
    if "maxLength" in limits:
        items["maxLength"] = limits.pop("maxLength")
    return {"type": "array", "items": items, "x-kubernetes-validations": list(rules), **limits}


CONTAINS = {"rule": "self.all(x, x.contains('gpu'))"}


def test_an_unbounded_rule_is_refused_three_times():
    """For itself, for its part in the total, and for the total."""
    at = f"{AT}.properties[spec].properties[tags].x-kubernetes-validations[0].rule"
    total = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
    assert refused({"tags": texts(CONTAINS)}) == [
        f"{at}: Forbidden: estimated rule cost exceeds budget by factor of more than 100x {ADVICE}",
        f"{at}: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema",
        f"{AT}: Forbidden: {total} exceeds budget by factor of more than 100x {ADVICE}",
    ]


def test_limits_make_it_affordable():
    """With maxItems and maxLength the same rule passes."""
    assert refused({"tags": texts(CONTAINS, maxItems=1000, maxLength=100)}) == []


def test_the_factor_is_told_as_exactly_as_it_matters():
    """Just over the limit with six digits, then with one."""
    (close,) = refused({"tags": texts(CONTAINS, maxItems=909_091, maxLength=16)})
    assert "exceeds budget by factor of 1.000000x" in close
    (further,) = refused({"tags": texts(CONTAINS, maxItems=2_000_000, maxLength=16)})
    assert "exceeds budget by factor of 2.2x" in further


def test_a_rule_counts_as_often_as_its_value_can_occur():
    """A cheap rule inside an unbounded list of lists is an expensive one; with limits it is not."""
    item: dict[str, Any] = {
        "type": "object",
        "properties": {"a": {"type": "string", "maxLength": 100}},
        "x-kubernetes-validations": [{"rule": "self.a.matches('^[a-z]+$')"}],
    }
    unbounded = refused({"list": {"type": "array", "items": item}})
    assert (
        f"{AT}.properties[spec].properties[list].items.x-kubernetes-validations[0].rule: Forbidden: estimated"
        in unbounded[0]
    )
    assert refused({"list": {"type": "array", "maxItems": 100, "items": item}}) == []


def test_message_expressions_have_a_price_too():
    """A message that turns numbers into text is refused, format is not."""
    rule = {"rule": "self.n > 1", "messageExpression": "'n is ' + string(self.n)"}
    node: dict[str, Any] = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "x-kubernetes-validations": [rule],
    }
    at = f"{AT}.properties[spec].properties[o].x-kubernetes-validations[0].messageExpression"
    assert refused({"o": node})[0] == (
        f"{at}: Forbidden: estimated messageExpression cost exceeds budget by factor of more than 100x {ADVICE}"
    )
    rule["messageExpression"] = "'n is %d'.format([self.n])"
    assert refused({"o": node}) == []


def test_rules_that_do_not_compile_have_no_price():
    """A broken rule is told to be broken, and nothing else."""
    (only,) = refused({"tags": texts({"rule": "self.("})})
    assert "compilation failed" in only
