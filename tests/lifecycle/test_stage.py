import pytest

from fakekube.lifecycle import loading
from fakekube.lifecycle.stage import Delay, Finalizers, StageError

WHOLE = """
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-start}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchLabels: {app: web}
    matchAnnotations: {mode: slow}
    matchExpressions:
    - {key: .spec.nodeName, operator: Exists}
    - {key: pod.ready, operator: In, values: ["yes"]}
  weight: 3
  delay:
    durationMilliseconds: 500
    jitterDurationMilliseconds: 900
    durationFrom: {expressionFrom: '.metadata.annotations["delay"]'}
  next:
    event: {type: Warning, reason: Started, message: "at {now}"}
    events: [{forEach: pod.ready, events: [{reason: R, message: "{item.name}", fieldPath: "spec.containers{{{item.name}}}"}]}]
    statusTemplate: {phase: Running}
    patches:
    - {subresource: status, root: status, type: strategic, template: {startTime: "{now}"}}
    finalizers: {add: [{value: a}], remove: [{value: b}]}
    delete: true
  immediateNextStage: true
  paces: [realistic]
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: vm-stage}
spec: {resourceRef: {apiGroup: kubevirt.io/v1, kind: VirtualMachine}, next: {delete: true}}
"""


def test_every_field_of_a_stage_is_read():
    """A stage with everything in it becomes a value with everything in it."""
    first, second = loading.parse(WHOLE)
    assert (first.name, first.group, first.kind) == ("pod-start", "", "Pod")
    assert first.selector.labels == {"app": "web"}
    assert [one.operator for one in first.selector.requirements] == ["Exists", "In"]
    assert first.delay == Delay(0.5, 0.9, first.delay.seconds_from, None)
    assert (first.weight, first.immediate_next, first.paces) == (3, True, {"realistic"})
    finalizers, *patches = first.next.writes
    assert [(one.kind, one.root, one.subresource) for one in patches] == [
        ("strategic", "status", "status"),
        ("strategic", "status", "status"),
    ]
    [[told], [each]] = [group.events for group in first.next.events]
    assert (told.type, told.message.data) == ("Warning", "at {now}")
    assert (first.next.events[1].for_each, each.type) == ("pod.ready", "Normal")
    assert each.field_path.render({"item": {"name": "c"}}) == "spec.containers{c}"
    assert finalizers == Finalizers(("a",), ("b",))
    assert first.next.delete
    assert (second.group, second.kind, second.paces) == (
        "kubevirt.io",
        "VirtualMachine",
        {"instant", "fast", "realistic", "chaos"},
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("kind: Stage", "kind: Stag", 3, "kind: must be one of Stage, not 'Stag'"),
        ("v1alpha1", "v1", 2, "apiVersion: must be one of"),
        ("  weight: 3", "  wait: 3", 13, "spec.wait: unknown field; known here: resourceRef, selector"),
        ("  weight: 3", "  weight: -3", 13, "spec.weight: must be a whole number from 0 on"),
        (
            "operator: Exists}",
            "operator: Is}",
            11,
            "must be one of In, NotIn, Exists, DoesNotExist, not 'Is'",
        ),
        ('operator: In, values: ["yes"]', "operator: In", 12, "operator In needs values"),
        ("operator: Exists}", "operator: Exists, values: [a]}", 11, "operator Exists takes no values"),
        (".spec.nodeName", ".spec..nodeName", 11, "cannot read the expression '.spec..nodeName'"),
        (
            "{expressionFrom: '.meta",
            "{jq: {}, expressionFrom: '.meta",
            17,
            "must be one of expressionFrom, jq, cel",
        ),
        (
            "{key: .spec.nodeName, operator: Exists}",
            "{expression: has(self.spec)}",
            11,
            "CEL is not understood here",
        ),
        (
            "{key: .spec.nodeName,",
            "{cel: {}, key: .spec.nodeName,",
            11,
            "matchExpressions[0].cel: stands alone",
        ),
        ("{phase: Running}", "'Running'", 21, "must be a mapping, or one name, not 'Running'"),
        ("{phase: Running}", "'{{ If .a }}b: c{{ end }}'", 21, "function 'If' in {{ If .a }} is not known"),
        ("{phase: Running}", "'a: {{ Now | Quote }}: b'", 21, "the template is no YAML"),
        ('"at {now}"', '"at {now"', 19, "a single {"),
        ("type: strategic", "type: best", 23, "must be one of json, merge, strategic"),
        ("type: strategic", "type: json", 23, "a json patch is a list of operations"),
        ("remove: [{value: b}]", "remove: [{value: a}]", 24, "adds and removes a"),
        ("paces: [realistic]", "paces: [slow]", 27, "spec.paces[0]: must be one of instant, fast, realistic"),
        ("name: vm-stage", "name: pod-start", 29, "a second stage called pod-start"),
        (
            "spec: {resourceRef: {apiGroup: kubevirt.io/v1, kind: VirtualMachine},",
            "spec: {",
            32,
            "resourceRef is missing",
        ),
        (
            "    durationMilliseconds: 500",
            "    durationMilliseconds: 500\n    durationMilliseconds: 5",
            16,
            'key "durationMilliseconds" already set in map',
        ),
        ("metadata: {name: pod-start}", "metadata: {name: pod-start", 5, "not YAML"),
    ],
)
def test_impossible_stages_are_refused_with_their_line(old, new, line, reason):
    """A mistake is reported with file, line and reason when the file is read."""
    assert old in WHOLE
    with pytest.raises(StageError) as refusal:
        loading.parse(WHOLE.replace(old, new, 1), source="pod.yaml")
    assert reason in refusal.value.reason
    assert str(refusal.value).startswith(f"pod.yaml:{line}: ")


def test_names_nobody_provides_are_refused():
    """Where the context's names are known, a template or selector that uses another one is refused."""
    loading.parse(WHOLE, names=frozenset({"pod.ready"}))
    with pytest.raises(StageError, match=r"nobody provides \{pod.ready\}; known here: now, object.…, pod.ip"):
        loading.parse(WHOLE, names=frozenset({"pod.ip"}))


def test_a_folder_is_read_in_the_order_of_names(tmp_path):
    """All stages of a folder come together, files in alphabetical order."""
    text = WHOLE.split("---")[1]
    (tmp_path / "b.yaml").write_text(text)
    (tmp_path / "a.yaml").write_text(text.replace("vm-stage", "earlier"))
    assert [one.name for one in loading.load(tmp_path)] == ["earlier", "vm-stage"]


def test_finalizers_are_changed_in_order():
    """Removals come before additions; what is there already is not added twice; empty forgets everything."""
    assert Finalizers(("a", "c"), ("b",)).of(["a", "b", "d"]) == ["a", "d", "c"]
    assert Finalizers(("x",), (), empty=True).of(["a", "b"]) == ["x"]


def test_values_are_read_as_kubernetes_does():
    """Unquoted moments and 22:22 are texts, as in manifests; empty documents are nothing."""
    head = "apiVersion: kwok.x-k8s.io/v1alpha1\nkind: Stage\nmetadata: {name: a}\n"
    does = "{statusTemplate: {startTime: 2026-01-01T00:00:00Z, x: 22:22}}"
    [stage] = loading.parse(f"{head}spec: {{resourceRef: {{kind: Pod}}, next: {does}}}\n---\n---\n")
    [patch] = stage.next.writes
    assert patch.template.render({}) == {"startTime": "2026-01-01T00:00:00Z", "x": "22:22"}


def test_stages_are_read_as_a_server_gives_them():
    """`kubectl get stages -o yaml` makes a List, with what the server knows of each; the lines are still right."""
    stages = """
apiVersion: v1
kind: List
metadata: {resourceVersion: ""}
items:
- apiVersion: kwok.x-k8s.io/v1alpha1
  kind: Stage
  metadata: {name: a, uid: u, resourceVersion: "7", generation: 1, creationTimestamp: 2026-01-01T00:00:00Z}
  spec: {resourceRef: {kind: Pod}, next: {}, weight: 3}
  status: {conditions: []}
- apiVersion: kwok.x-k8s.io/v1alpha1
  kind: Stage
  metadata: {name: b}
  spec: {resourceRef: {kind: Pod}, next: {event: {reason: R}}}
"""
    first, second = loading.parse(stages)
    assert (first.name, first.weight, first.next.writes) == ("a", 3, ())
    assert second.next.events[0].events[0].message.render({}) == ""
    with pytest.raises(StageError, match=r"^<stages>:11: a second stage called a"):
        loading.parse(stages.replace("name: b", "name: a"))
    with pytest.raises(StageError, match=r"^<stages>:14: items\[1\].spec.wait: unknown field"):
        loading.parse(stages.replace("{event: {reason: R}}", "{}, wait: 1"))
