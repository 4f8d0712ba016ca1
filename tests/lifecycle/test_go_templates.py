"""Kwok's templates: Go's text templates for YAML."""

import re

import pytest

from fakekube.lifecycle import effects, loading
from fakekube.lifecycle.go_templates import GoYaml
from fakekube.lifecycle.stage import StageError

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
    [patch] = stage.next.writes
    assert patch.template.render(CONTEXT) == {
        "conditions": [{"lastTransitionTime": "2026-01-01T00:00:00Z", "status": "True", "type": "Ready"}],
        "message": "pod p has {no braces}",
        "phase": "Running",
        "replicas": 3,
    }


def test_text_without_actions_is_yaml():
    """A text in which nothing is filled in is the YAML it is; one that comes to nothing is nothing."""
    assert GoYaml("a: {b: 1}\nc: [d]").render(CONTEXT) == {"a": {"b": 1}, "c": ["d"]}
    assert GoYaml("{{ if .nothing }}a: b{{ end }}").render(CONTEXT) == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: {{ Unknown .a }}", "function 'Unknown' in {{ Unknown .a }} is not known here"),
        ("a: {{ .b | Trim }}", "function 'Trim' in {{ .b | Trim }} is not known here"),
        ("a: {{ $unknown }}", "undefined variable '$unknown'"),
        ("a: {{ $x = 1 }}", "undefined variable '$x'"),
        ("{{ if .a }}{{ $x := 1 }}{{ end }}a: {{ $x }}", "undefined variable '$x'"),
        ("a: [", "no YAML"),
        ("a", "must be a mapping, or one name, not 'a'"),
        ("{{ if .a }}a: b", "{{ if .a }} is never ended"),
        ("{{ end }}", "unexpected {{ end }}"),
        ("a: {{ .b", "never closed"),
        ("a: {{ .b .c }}", "only functions take arguments"),
        ("a: {{ ( .b }}", "lacks a )"),
        ("a: {{ Quote }}", "missing a required argument"),
        ('a: {{ template "b" . }}', "there is no template 'b'"),
        ("{{ break }}", "break outside of range"),
        ("a: {{ .b % 2 }}", "'%' is not understood"),
        ("a: {{ or }}", "or wants values"),
        ("a: {{ " + "(" * 2000 + "1" + ")" * 2000 + " }}", "nested too deep"),
    ],
)
def test_what_is_not_understood_is_refused(text, told):
    """The refusal names the action."""
    with pytest.raises(ValueError, match=re.escape(told)):
        GoYaml(text)


def test_refusals_name_file_and_line():
    """Where in which file the text stands is part of the refusal."""
    with pytest.raises(StageError, match=r"own.yaml:11: spec.next.statusTemplate: function 'Nope' in"):
        loading.parse(KWOK.replace("Now }}", "Nope }}", 1), source="own.yaml")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: {{ if .spec.replicas }}yes it is{{ else }}none{{ end }}", "yes it is"),
        ("a: {{ if .no }}1{{ else if eq .metadata.name `p` }}2{{ else }}3{{ end }}", 2),
        ("a: {{ with .no }}{{ . }}{{ else with .metadata }}{{ .name }}{{ end }}", "p"),
        ("a: {{ or .no .metadata.name }}", "p"),
        ("a: {{ and .metadata.name .spec.replicas }}", 3),
        ("a: {{ not .metadata.name }}", False),
        ("a: {{ ( index .spec.list 1 ).name }}", "d"),
        ("a: {{ index .metadata.annotations `x/y` | Quote }}", "z"),
        ("a: {{ ( dict `k` 7 ).k | add1 }}", 8),
        ("a: {{ .no.where.at.all }}", "<no value>"),
        ("a: [{{ range $i, $one := .spec.list }}{{ if $i }}, {{ end }}{{ $one.name }}{{ end }}]", ["c", "d"]),
        ("a: [{{ range .no }}1{{ else }}2{{ end }}]", [2]),
        ("a: [{{ range $k, $v := .metadata.annotations }}{{ $k }}{{ end }}]", ["x/y"]),
        ("a: [{{ range until 5 }}{{ if eq . 1 }}{{ continue }}{{ end }}{{ if gt . 2 }}{{ break }}{{ end }}{{ . }},{{ end }}]", [0, 2]),
        ("{{ $n := 0 }}{{ range .spec.list }}{{ $n = add1 $n }}{{ $own := $n }}{{ end }}a: {{ $n }}", 2),
        ('{{ define "t" }}{{ .x }}-{{ $ }}{{ end }}a: {{ template "t" dict "x" .metadata.name }}', "p-map[x:p]"),
        ("a: {{- /* nothing */ }} {{/* at all */ -}}   {{ .spec.replicas }}", 3),
        ("a:\n{{ YAML .spec.list 1 }}", [{"name": "c"}, {"name": "d", "y": "n"}]),
        ("a: {{ printf `%s-%03d %q` .metadata.name .spec.replicas `w` | quote }}", 'p-003 "w"'),
        ("a: {{ default `b` .no }}{{ ternary `1` `2` true }}", "b1"),
        ("a: {{ .spec.replicas | Quote }}", "3"),
        ("a: {{ int (ceil (divf 7 2)) }}", 4),
        ("a: {{ min 4 (sub 7 (mul 2 2)) }}{{ max 1 2 }}{{ mod 7 4 }}{{ div 7 2 }}", 3233),
        ("a: {{ add 1 (atoi (index .metadata.annotations `none` | default `4`)) }}", 5),
        ("a: {{ has `x` (append (list `y`) `x`) }}{{ join `-` (concat (list 1) (list 2)) }}", "true1-2"),
        ("a: {{ trunc 2 `abc` }}{{ repeat 2 `d` }}{{ b64enc `e` }}", "abddZQ=="),
        ("a: {{ len (printf `x%*s` .spec.replicas.Int64 `y`) }}", 4),
        ("a: [{{ range $i := until 3 }}{{ printf `%02d` $i | squote }},{{ end }}]", ["00", "01", "02"]),
        ("a: {{ NodeName }}{{ NodeIP }}", "p192.0.2.1"),
        ("a: {{ PodIPWith .spec.nodeName }}", "10.0.0.7"),
    ],
)  # fmt: skip
def test_templates(text, found):
    """Decisions, loops, variables, functions and templates within templates do as in Go."""
    obj = {
        "metadata": {"name": "p", "annotations": {"x/y": "z"}},
        "spec": {"replicas": 3, "list": [{"name": "c"}, {"name": "d", "y": "n"}]},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}],
            "podIP": "10.0.0.7",
        },
    }
    assert GoYaml(text).render({"now": "2026-01-01T00:00:00Z", "object": obj}) == {"a": found}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: {{ index .list 7 }}", "index out of range: 7"),
        ("a: {{ if .list }}{{ div 1 0 }}{{ end }}", "div: division by zero"),
        ("a: {{ if .list }}{{ until 9999999 }}{{ end }}", "until: 9999999 is more than 100000"),
        ("a: {{ if .list }}{{ range 9999999 }}{{ end }}{{ end }}", "range: 9999999 is more than 100000"),
        (
            '{{ define "t" }}' + "{{ if . }}" * 20 + '{{ template "t" . }}' + "{{ end }}" * 21 + '{{ with .list }}{{ template "t" . }}{{ end }}',
            "too deep",
        ),
        ("a: {{ .name.first }}", "can't evaluate field first in p"),
        ("a: {{ range .name }}{{ end }}", "range can't iterate over p"),
        ('{{ define "t" }}{{ template "t" . }}{{ end }}{{ if .list }}{{ template "t" . }}{{ end }}', "calls itself"),
        ("{{ if .list }}a: [{{ end }}", "no YAML"),
    ],
)  # fmt: skip
def test_what_cannot_be_carried_out(text, told):
    """What only an object shows to be wrong is told when the stage plays."""
    template = GoYaml(text)
    with pytest.raises(ValueError, match=re.escape(told)):
        template.render({"now": "", "object": {"name": "p", "list": [1]}})


NEWER = """
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: stopped}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - jq: {key: .metadata.deletionTimestamp, operator: Exists}
  weightFrom:
    jq: {expression: '.metadata.annotations["weight"]'}
  delay:
    durationFrom:
      jq: {expression: '.metadata.annotations["delay"]'}
  steps:
  - patch:
      root: status
      subresource: status
      type: strategic
      template: |
        phase: {{ with .spec.outcome }}{{ . }}{{ else }}Succeeded{{ end }}
  - event:
      message: 'Stopping container: {{ ( index .spec.containers 0 ).name }}'
      reason: Killing
      type: Normal
  - delete: true
"""


def test_newer_files_of_kwok():
    """`steps` and `jq` are other words for `next`, `key` and `expressionFrom`; messages of events are templates there."""
    [stage] = loading.parse(NEWER)
    context = {**CONTEXT, "object": {"spec": {"containers": [{"name": "c"}]}}}
    assert [one.message for one in effects.events(stage, context)] == ["Stopping container: c"]
    assert [body for body, _ in effects.writes(stage, context["object"], context)] == [
        {"status": {"phase": "Succeeded"}}
    ]
    assert stage.next.delete
    assert stage.selector.requirements[0].key.text == ".metadata.deletionTimestamp"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("  - delete: true", "  - {delete: true, event: {reason: a, message: b}}"), "must be one of"),
        (("  steps:", "  next: {delete: true}\n  steps:"), "stands beside next"),
        (("{{ (", "{{ Nope ("), "function 'Nope'"),
        (("  - delete: true", "  - delete: true\n  - finalizers: {empty: true}"), "comes after the deletion"),
        (
            ("  - delete: true", "  - apply: {template: {kind: Secret, metadata: {name: a}}}"),
            "is no object: apiVersion is missing",
        ),
    ],
)
def test_steps_that_cannot_be(change, told):
    """A step is one thing, and nothing is written after the deletion."""
    with pytest.raises(StageError, match=told):
        loading.parse(NEWER.replace(*change))


def test_messages_that_look_like_go_templates_are_such():
    """kwok renders the message of `next.event`, too; here braces with a space inside say so."""
    text = KWOK.replace("  next:", "  next:\n    event: {reason: R, message: 'of {{ .metadata.name }}'}")
    [stage] = loading.parse(text)
    assert [one.message for one in effects.events(stage, CONTEXT)] == ["of p"]


@pytest.mark.parametrize(
    ("kind", "patch"), [("Pod", "strategic"), ("Node", "strategic"), ("Secret", "merge")]
)
def test_patches_of_which_nothing_is_said(kind, patch):
    """Pods and Nodes are patched strategically, as by kwok, so that conditions nobody names stay; others are merged."""
    [stage] = loading.parse(KWOK.replace("kind: Pod", f"kind: {kind}"))
    assert [one.kind for one in stage.next.writes] == [patch]


def test_patches_in_somebodys_name():
    """Who writes may be said, for the status and for each patch; operations of a json patch begin at its root."""
    text = KWOK.replace(
        "  next:", "  next:\n    statusPatchAs: {username: me}\n    statusSubresource: resize"
    )
    text += """\
    patches:
    - type: json
      root: metadata
      impersonation: {username: you}
      template: |
        - {op: add, path: /labels, value: {a: {{ .metadata.name | Quote }}}}
"""
    [stage] = loading.parse(text)
    assert [(one.user, one.subresource) for one in stage.next.writes] == [("me", "resize"), ("you", None)]
    [_, (body, _)] = effects.writes(stage, CONTEXT["object"], CONTEXT)
    assert body == [{"op": "add", "path": "/metadata/labels", "value": {"a": "p"}}]
