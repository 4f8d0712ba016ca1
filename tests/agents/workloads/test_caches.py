from fakekube.agents.workloads.caches import own_revision


def test_of_revisions_that_are_no_workloads_the_data_is_left_out() -> None:
    """A revision of a StatefulSet, of a DaemonSet or of nobody stays whole; one of a VM keeps its metadata only."""
    for kind, stays in (("StatefulSet", True), ("DaemonSet", True), ("", True), ("VirtualMachine", False)):
        owners = [{"kind": kind, "name": "a", "uid": "1", "controller": True}] if kind else []
        revision = {"metadata": {"name": "a-1", "ownerReferences": owners}, "revision": 1, "data": {}}
        found = own_revision(revision)
        assert (found["metadata"], found["revision"]) == (revision["metadata"], 1)
        assert ("data" in found) is stays
