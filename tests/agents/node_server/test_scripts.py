"""Which work of Jobs' pods the small shell knows, and what comes of it."""

import pytest

from fakekube.agents.node_server import scripts
from fakekube.agents.node_server.place import EPOCH


def done(*command, **container):
    own = {"name": "c", "command": list(command), **container}
    return scripts.done({"metadata": {"name": "p", "namespace": "n"}, "spec": {"containers": [own]}}, EPOCH)


@pytest.mark.parametrize(
    ("command", "out", "code"),
    [
        (["sh", "-c", "echo a; exit 3"], "a\n", 3),
        (["/bin/bash", "-ec", "# why\nX=$(echo 'b c' | wc -w)\nfalse\necho $X"], "", 1),
        (["sh", "-c", '[ "$A" = 1 ] && echo $HOSTNAME $(date +%Y) >&2 | cat'], "", 0),
        (["sh", "-c", "printf '%s\\n' $A | grep -q 2"], "", 1),
        (["sh", "-c", "sh -c 'exit 4'; echo $?; echo x > /dev/null"], "4\n", 0),
        (["echo", "$(A)", "$(B)", "*"], "1 $(B) *\n", 0),
        (["false"], "", 1),
        (
            ["bash", "-c", 'if [ "$A" = 2 ]; then exit 0; else\n  echo failed | cat\n  exit 1\nfi'],
            "failed\n",
            1,
        ),
    ],
)
def test_what_is_known(command, out, code):
    """Scripts and commands of which everything is known say and return what they would."""
    found = done(*command, env=[{"name": "A", "value": "1"}])
    assert found is not None
    assert (found.out, found.code) == (out, code)


@pytest.mark.parametrize(
    "command",
    [
        ["perl", "-e", "exit 3"],
        ["exit", "3"],
        ["sh"],
        ["sh", "script"],
        ["sh", "-c", "exit $1", "sh", "3"],
        ["sh", "-c", "echo a; perl"],
        ["sh", "-c", "cat /app/config"],
        ["sh", "-c", "cat && exit 3"],
        ["sh", "-c", "test -f /app/config"],
        ["sh", "-c", '[ -n "$FROM_IMAGE" ]'],
        ["sh", "-c", "echo $(curl http://x) && false"],
        ["sh", "-c", "echo $(perl) && false"],
        ["sh", "-c", "$X; false"],
        ["sh", "-c", f"{'echo $(' * 100}{')' * 100}; false"],
        ["sh", "-c", f"echo {'a' * 10000}; false"],
        ["sh", "-c", "if perl; then false; fi"],
        ["sh", "-c", "for i in 1; do false; done"],
        ["sh", "-c", "echo ${X:-1} && false"],
        ["sh", "-c", "echo `perl`; false"],
        ["sh", "-c", "echo 'open; false"],
        ["sh", "-c", "cat <<EOF && false"],
        ["sh", "-c", "echo /*; false"],
        ["sh", "-c", "printf %5d 1; false"],
        ["sh", "-c", "date -d yesterday; false"],
        ["sh", "-c", ":;" * 3000 + "false"],
    ],
)
def test_what_is_not_known(command):
    """Whatever depends on an image, on files or on the network is not guessed, nor is what takes long."""
    assert done(*command) is None


def test_pods_that_are_given_something():
    """Nor is the work of pods with files from elsewhere, variables from elsewhere, several containers, or a fate."""
    words = ["sh", "-c", "exit 3"]
    assert done(*words, volumeMounts=[{"name": "v", "mountPath": "/v"}]) is None
    assert done(*words, envFrom=[{"secretRef": {"name": "s"}}]) is None
    assert done(*words, env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]) is None
    one = {"name": "c", "command": words}
    assert scripts.done({"metadata": {"name": "p"}, "spec": {"containers": [one, one]}}, EPOCH) is None
    notes = {"fakekube.io/fate": "exit=4"}
    pod = {"metadata": {"name": "p", "annotations": notes}, "spec": {"containers": [one]}}
    assert scripts.done(pod, EPOCH) is None
    token = {"name": "t", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True}
    found = done(*words, volumeMounts=[token])
    assert found is not None
    assert found.code == 3


@pytest.mark.parametrize(
    "image", ["busybox", "docker.io/library/alpine:3", "debian@sha256:0", "localhost:5000/a/ubuntu:1"]
)
def test_images_without_an_entrypoint(image):
    """What `kubectl run … -- echo hi` gives such an image as arguments is its command."""
    found = done(image=image, args=["echo", "hi"])
    assert found is not None
    assert (found.out, found.code) == ("hi\n", 0)


@pytest.mark.parametrize("image", ["nginx", "busybox/other", "registry:5000/busybox-extras", ""])
def test_images_with_an_entrypoint_of_their_own(image):
    """Nobody knows what other images make of their arguments, and without any nobody knows what an image does."""
    assert done(image=image, args=["echo", "hi"]) is None
    assert done(image="busybox") is None
