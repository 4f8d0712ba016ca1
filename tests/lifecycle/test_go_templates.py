"""kwok's templates, as far as they fill in values."""

import pytest

from fakekube.lifecycle import go_templates, loading
from fakekube.lifecycle.templates import Template

CONTEXT = {"now": "2026-01-01T00:00:00Z", "object": {"metadata": {"name": "p"}, "spec": {"replicas": 3}}}
KWOK = """
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: started}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: '.metadata.deletionTimestamp', operator: DoesNotExist}
  next:
    statusTemplate: |
      {{ $now := Now }}
      {{/* as kwok's own stages begin */}}
      conditions:
      - lastTransitionTime: {{ $now | Quote }}
        status: "True"
        type: Ready
      message: pod {{ .metadata.name }} has {no braces}
      phase: Running
      replicas: {{ .spec.replicas }}
"""


def test_values_are_filled_in():
    """Variables, Now and paths of the object stand for values; a value alone keeps its type, braces of the text stay."""
    [stage] = loading.parse(KWOK)
    [patch] = stage.next.patches
    assert patch.template.render(CONTEXT) == {
        "conditions": [{"lastTransitionTime": "2026-01-01T00:00:00Z", "status": "True", "type": "Ready"}],
        "message": "pod p has {no braces}",
        "phase": "Running",
        "replicas": 3,
    }


def test_text_without_actions_is_yaml():
    """A text in which nothing is filled in is the YAML it is."""
    assert Template(go_templates.translate("a: {b: 1}\nc: [d]")).render({}) == {"a": {"b": 1}, "c": ["d"]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{ range .status.conditions }}- a{{ end }}", "range .status.conditions"),
        ("a: {{ NodeIPWith .a }}", "NodeIPWith .a"),
        ("a: {{ .b | Trim }}", "only Quote is understood"),
        ("a: {{ $unknown }}", "unknown"),
        ("a: [", "no YAML"),
    ],
)
def test_decisions_and_functions_are_refused(text, told):
    """What is more than filling in is refused, naming it."""
    with pytest.raises(ValueError, match=told.replace("$", r"\$")):
        go_templates.translate(text)
