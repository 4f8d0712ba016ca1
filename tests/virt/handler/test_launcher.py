import pytest

from fakekube.agents.pods.view import PodView
from fakekube.virt.handler.launcher import COMPLETED, FAILED, OUT_OF_MEMORY, ended

BOOTED, OVER = "2026-01-01T12:00:00Z", "2026-01-01T12:05:00Z"
NODE = {"metadata": {"name": "node01"}}


def view(pod, now):
    return PodView(pod, now, node=NODE, ends_elsewhere=True, address=lambda *_: "10.0.0.1")


def launcher():
    """A launcher pod as its kubelet reports it, being deleted while its guest runs."""
    pod = {
        "metadata": {"name": "virt-launcher", "uid": "u", "generation": 1},
        "spec": {
            "restartPolicy": "Never",
            "initContainers": [
                {"name": "guest-console-log", "image": "virt-launcher", "restartPolicy": "Always"},
                {"name": "volumeroot", "image": "disk"},
            ],
            "containers": [{"name": "compute", "image": "virt-launcher"}],
        },
    }
    pod["status"] = view(pod, BOOTED)["running"]
    pod["metadata"] |= {"generation": 2, "deletionTimestamp": OVER}
    return pod


@pytest.mark.parametrize("how", [COMPLETED, FAILED, OUT_OF_MEMORY], ids=lambda how: how[1])
def test_the_kubelet_of_a_launcher_that_has_ended_has_nothing_to_add(how):
    """All containers have ended, the conditions are those of an ended pod, and nothing is left to be reported."""
    pod = launcher()
    pod["status"] = ended(pod, how, OVER)
    seen = view(pod, OVER)
    assert (seen.alive(), seen.outcome(), seen.outdated()) == (None, None, None)
    assert pod["status"]["phase"] == ("Succeeded" if how is COMPLETED else "Failed")
    (compute,) = pod["status"]["containerStatuses"]
    assert (compute["state"]["terminated"]["exitCode"], compute["state"]["terminated"]["reason"]) == how
    log, disk = (one["state"]["terminated"] for one in pod["status"]["initContainerStatuses"])
    assert log["finishedAt"] == OVER
    assert disk["finishedAt"] == BOOTED
    assert {one["observedGeneration"] for one in pod["status"]["conditions"]} == {2}
