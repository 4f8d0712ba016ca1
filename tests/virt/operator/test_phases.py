"""What the KubeVirt object says of its installation, from one state to the next."""

from fakekube.virt.operator import phases
from fakekube.virt.operator.sources import Source

SOURCE, FIRST, LATER = Source("v1.9.0"), "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def kubevirt(status=None, **spec):
    meta = {"name": "kubevirt", "namespace": "kubevirt", "generation": 2}
    return {"metadata": meta, "spec": spec, "status": status or {}}


def deployed(now=FIRST, status=None):
    return phases.deployed(kubevirt(status), [], now, SOURCE, "v1.9.0")


def told(status):
    return {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}


def times(status):
    found = status["conditions"]
    return {one["type"]: (one["lastProbeTime"], one["lastTransitionTime"]) for one in found}


def test_deploying():
    """Nothing is available while components come; what is wanted is told, what is there is not; all is made before it works."""
    status = phases.deploying(kubevirt(), FIRST, SOURCE, "v1.9.0")
    said = "DeploymentInProgress"
    assert told(status) == {
        "Available": ("False", said),
        "Progressing": ("True", said),
        "Degraded": ("False", said),
    }
    assert status["conditions"][0]["message"] == "Deploying version v1.9.0 with registry quay.io/kubevirt"
    assert (status["phase"], status["targetKubeVirtVersion"]) == ("Deploying", "v1.9.0")
    assert not {"observedKubeVirtVersion", "observedGeneration"} & status.keys()
    made = phases.deploying(kubevirt(status), LATER, SOURCE, "v1.9.0", created=True)
    assert told(made)["Created"] == ("True", "AllResourcesCreated")
    assert made["observedDeploymentID"] == made["targetDeploymentID"]
    assert "observedGeneration" not in made


def test_an_installation_that_stops_working():
    """It stays deployed, and is said not to be available."""
    status = phases.deploying(kubevirt(deployed()), LATER, SOURCE, "v1.9.0", created=True)
    assert (status["phase"], status["observedGeneration"]) == ("Deployed", 2)
    assert told(status)["Available"] == ("False", "DeploymentInProgress")
    assert not phases.says_ready(kubevirt(status))


def test_times_of_conditions():
    """A condition that has never changed has no time of change, one that says the same keeps its times."""
    status = deployed()
    changed = dict.fromkeys(("Available", "Progressing", "Degraded"), (FIRST, FIRST))
    assert times(status) == {**changed, "Created": (FIRST, None)}
    assert times(deployed(LATER, status)) == times(status)
    broken = phases.deploying(kubevirt(status), LATER, SOURCE, "v1.9.0")
    assert times(broken)["Available"] == (LATER, LATER)
    assert times(broken)["Created"] == (FIRST, None)


def test_updating():
    """Everything works, but not as it is to; what is wanted has not been made yet."""
    other = Source("v1.9.1")
    status = phases.updating(kubevirt(deployed()), LATER, other)
    assert told(status) == dict.fromkeys(
        ("Available", "Progressing", "Degraded"), ("True", "UpdateInProgress")
    )
    assert (status["targetKubeVirtVersion"], status["observedKubeVirtVersion"]) == ("v1.9.1", "v1.9.0")
    assert phases.is_updating(kubevirt(status))
    after = phases.deployed(kubevirt(status), [], LATER, other, "v1.9.0")
    assert not phases.is_updating(kubevirt(after))
    assert [one["type"] for one in after["conditions"]][-1] == "Created"


def test_failed():
    """What cannot be made is told everywhere, and forgotten when it can be."""
    status = phases.failed(kubevirt(deployed()), LATER, "no")
    assert told(status) == {
        "Available": ("False", "DeploymentFailed"),
        "Progressing": ("False", "DeploymentFailed"),
        "Degraded": ("True", "DeploymentFailed"),
        "Created": ("True", "AllResourcesCreated"),
        "Synchronized": ("False", "DeploymentFailed"),
    }
    assert status["conditions"][0]["message"] == "An error occurred during deployment: no"
    assert "Synchronized" not in told(deployed(LATER, status))


def test_deleting():
    """What goes is neither available nor being changed, and nothing of it is said to be made."""
    status = phases.deleting(kubevirt(deployed()), LATER)
    assert status["phase"] == "Deleting"
    assert told(status) == {
        "Available": ("False", "DeletionInProgress"),
        "Progressing": ("False", "DeletionInProgress"),
        "Degraded": ("True", "DeletionInProgress"),
    }


def test_default_architecture():
    """The configuration's, or the one there was."""
    chosen = kubevirt(configuration={"architectureConfiguration": {"defaultArchitecture": "arm64"}})
    assert phases.deploying(chosen, FIRST, SOURCE, "v1.9.0")["defaultArchitecture"] == "arm64"
    before = kubevirt({"defaultArchitecture": "arm64"})
    assert phases.deploying(before, FIRST, SOURCE, "v1.9.0")["defaultArchitecture"] == "arm64"
    assert deployed()["defaultArchitecture"] == "amd64"
