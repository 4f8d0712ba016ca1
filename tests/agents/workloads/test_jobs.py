"""Jobs, played in a whole cluster in virtual time; sets of indexes, on values."""

import pytest

from fakekube.agents.workloads.jobs import indexes
from fakekube.machinery.resources import PODS

from .conftest import template


def work(fate="", delay="", **spec):
    made = template(restartPolicy="Never", **spec)
    notes = {"fakekube.io/fate": fate} if fate else {}
    notes |= {"pod-completed.stage.fakekube.io/delay": delay} if delay else {}
    return {**made, "metadata": {"annotations": notes}}


async def job(shop, fate="", delay="", **spec):
    return await shop.create("jobs", "a", template=work(fate, delay), **spec)


async def test_its_pod_completes(shop):
    """A Job's pod runs to its end, is counted and let go, and the Job is complete."""
    await job(shop)
    (pod,) = await shop.all("pods")
    assert pod["status"]["phase"] == "Succeeded"
    assert "finalizers" not in pod["metadata"]
    assert await shop.conditions("jobs") == dict.fromkeys(
        ("SuccessCriteriaMet", "Complete"),
        ("True", "CompletionsReached", "Reached expected number of succeeded pods"),
    )
    status = await shop.status("jobs")
    assert (status["succeeded"], status["uncountedTerminatedPods"]) == (1, {})
    assert status["completionTime"] == status["startTime"]
    assert [reason for reason, _ in await shop.events()] == ["SuccessfulCreate", "Completed"]


@pytest.mark.parametrize("again", ["Never", "OnFailure"])
async def test_what_its_script_says_decides(shop, again):
    """A script that is known from end to end decides how its pod ends, and so its Job, and is what the log shows; fates win."""
    words = ["sh", "-c", "echo working on $JOB; echo why >&2; exit $RESULT"]
    for name, result, fate in (
        ("bad", "3", ""),
        ("good", "0", ""),
        ("spared", "3", "exit=0"),
        ("fated", "0", "exit=5"),
    ):
        env = [{"name": "RESULT", "value": result}, {"name": "JOB", "value": name}]
        main = {"name": "main", "image": "busybox", "command": words, "env": env}
        made = {**work(fate), "spec": {"containers": [main], "restartPolicy": again}}
        await shop.create("jobs", name, template=made, backoffLimit=1)
    await shop.advance(120)
    ends = {}
    for job in await shop.all("jobs"):
        ends[job["metadata"]["name"]] = [
            one["reason"] for one in job["status"]["conditions"] if one["type"] in ("Complete", "Failed")
        ]
    assert ends == {
        "bad": ["BackoffLimitExceeded"],
        "good": ["CompletionsReached"],
        "spared": ["CompletionsReached"],
        "fated": ["BackoffLimitExceeded"],
    }
    codes = dict[str, set[int]]()
    for pod in await shop.all("pods"):
        (one,) = pod["status"]["containerStatuses"]
        ended = one["state"].get("terminated") or one["lastState"]["terminated"]
        own = pod["metadata"]["labels"]["job-name"]
        codes.setdefault(own, set()).add(ended["exitCode"])
        if own in ("bad", "good"):
            answer = await shop.client.request("GET", f"{PODS.path('default', pod['metadata']['name'])}/log")
            assert answer.body == f"working on {own}\nwhy\n".encode()
    failed = {"bad": {3}, "fated": {5}} if again == "Never" else {}
    assert codes == {"good": {0}, "spared": {0}, **failed}


async def test_parallelism_and_completions(shop):
    """No more than `parallelism` pods work at once, until `completions` have succeeded."""
    await job(shop, delay="10s", completions=5, parallelism=2)
    assert ((await shop.status("jobs"))["active"], len(await shop.names())) == (2, 2)
    await shop.advance(10)
    assert ((await shop.status("jobs"))["succeeded"], len(await shop.names())) == (2, 4)
    await shop.advance(20)
    assert (await shop.status("jobs"))["succeeded"] == len(await shop.names()) == 5


async def test_back_off(shop):
    """Failed pods are replaced after 10, 20, 40 s … until the back-off limit; then the Job has failed."""
    await job(shop, "exit=3", backoffLimit=3)
    for moment, pods in ((9, 1), (10, 2), (29, 2), (31, 3), (69, 3), (72, 4)):
        await shop.advance(moment - shop.elapsed)
        assert len(await shop.names()) == pods, moment
    assert (await shop.status("jobs"))["failed"] == 4
    assert (await shop.conditions("jobs"))["Failed"] == (
        "True",
        "BackoffLimitExceeded",
        "Job has reached the specified backoff limit",
    )


async def test_containers_restarted_too_often(shop):
    """With OnFailure the pod stays and its container is started again, later each time, until the limit of restarts."""
    made = template(restartPolicy="OnFailure")
    await shop.create(
        "jobs",
        "a",
        template={**made, "metadata": {"annotations": {"fakekube.io/fate": "exit=3"}}},
        backoffLimit=3,
    )
    for moment, restarts in ((1, 1), (11, 2)):
        await shop.advance(moment - shop.elapsed)
        (pod,) = await shop.all("pods")
        assert pod["status"]["containerStatuses"][0]["restartCount"] == restarts
    await shop.advance(20)
    assert await shop.all("pods") == []
    assert (await shop.conditions("jobs"))["Failed"][1] == "BackoffLimitExceeded"


async def test_active_deadline(shop):
    """Past activeDeadlineSeconds the Job's pods are ended and it has failed."""
    await job(shop, delay="1h", activeDeadlineSeconds=30)
    await shop.advance(29)
    assert (await shop.status("jobs"))["active"] == 1
    await shop.advance(5)
    assert (await shop.conditions("jobs"))["Failed"] == (
        "True",
        "DeadlineExceeded",
        "Job was active longer than specified deadline",
    )
    assert await shop.names() == []


async def test_time_to_live(shop):
    """A finished Job is deleted after ttlSecondsAfterFinished, and its pods with it."""
    await job(shop, ttlSecondsAfterFinished=100)
    await shop.advance(99)
    assert await shop.get("jobs") is not None
    await shop.advance(5)
    assert await shop.get("jobs") is None
    assert await shop.names() == []


async def test_suspended(shop):
    """A suspended Job has no pods; resumed, it begins, and its deadline with it."""
    await job(shop, delay="10s", suspend=True, activeDeadlineSeconds=60)
    await shop.advance(100)
    assert await shop.names() == []
    assert (await shop.conditions("jobs"))["Suspended"] == ("True", "JobSuspended", "Job suspended")
    await shop.change("jobs", suspend=False)
    assert len(await shop.names()) == 1
    await shop.change("jobs", suspend=True)
    await shop.advance(5)
    assert await shop.names() == []
    await shop.change("jobs", suspend=False)
    await shop.advance(40)
    assert (await shop.conditions("jobs"))["Complete"][0] == "True"
    reasons = [reason for reason, _ in await shop.events()]
    assert [one for one in reasons if one in ("Suspended", "Resumed")] == ["Suspended", "Resumed"]


async def test_indexed(shop):
    """Every index has a pod that knows it, and the status tells which are done."""
    await job(shop, completions=4, parallelism=4, completionMode="Indexed")
    pods = {pod["metadata"]["labels"][indexes.ANNOTATION]: pod for pod in await shop.all("pods")}
    assert sorted(pods) == ["0", "1", "2", "3"]
    assert pods["2"]["spec"]["hostname"] == "a-2"
    assert pods["2"]["metadata"]["name"].startswith("a-2-")
    assert pods["2"]["spec"]["containers"][0]["env"][0]["name"] == "JOB_COMPLETION_INDEX"
    assert (await shop.status("jobs"))["completedIndexes"] == "0-3"


async def test_back_off_per_index(shop):
    """Each index has its own back-off limit; one that is used up does not stop the others."""
    await job(shop, "exit=1", completions=2, parallelism=2, completionMode="Indexed", backoffLimitPerIndex=1)
    assert (await shop.status("jobs")).get("failedIndexes") is None
    await shop.advance(11)
    status = await shop.status("jobs")
    assert (status["failedIndexes"], status["failed"]) == ("0,1", 4)
    assert (await shop.conditions("jobs"))["Failed"][1:] == ("FailedIndexes", "Job has failed indexes")


@pytest.mark.parametrize("action", ["FailJob", "Ignore", "Count"])
async def test_pod_failure_policy(shop, action):
    """A rule on exit codes ends the whole Job, passes a failure over, or counts it as usual."""
    rule = {"action": action, "onExitCodes": {"operator": "In", "values": [42]}}
    await job(shop, "exit=42", backoffLimit=1, podFailurePolicy={"rules": [rule]})
    await shop.advance(15)
    status, said = await shop.status("jobs"), await shop.conditions("jobs")
    if action == "FailJob":
        (pod,) = await shop.names()
        text = (
            f"Container main for pod default/{pod} failed with exit code 42 matching FailJob rule at index 0"
        )
        assert said["Failed"] == ("True", "PodFailurePolicy", text)
    elif action == "Ignore":
        assert (status.get("failed"), said) == (None, {})
        assert len(await shop.names()) > 1
    else:
        assert said["Failed"][1] == "BackoffLimitExceeded"


async def test_success_policy(shop):
    """Once a success rule is met the Job is complete, and what still works is ended."""
    pods = {"restartPolicy": "Never"}
    policy = {"rules": [{"succeededIndexes": "0"}]}
    await shop.create(
        "jobs",
        "a",
        template={**template(**pods), "metadata": {"annotations": {"fakekube.io/fate": ""}}},
        completions=3,
        parallelism=1,
        completionMode="Indexed",
        successPolicy=policy,
    )
    await shop.advance(5)
    assert (await shop.conditions("jobs"))["Complete"] == (
        "True",
        "SuccessPolicy",
        "Matched rules at index 0",
    )
    assert (await shop.status("jobs"))["succeeded"] < 3


async def test_pods_of_a_deleted_job_are_let_go(shop):
    """Pods held for counting go when their Job has gone, and are free when it left them behind."""
    await job(shop, delay="1h")
    await shop.delete("jobs")
    await shop.advance(5)
    assert await shop.names() == []
    await job(shop, delay="1h")
    await shop.delete("jobs", propagation="Orphan")
    await shop.advance(5)
    (pod,) = await shop.all("pods")
    assert "finalizers" not in pod["metadata"]


@pytest.mark.parametrize("text", ["", "0", "0,1", "0-2", "1,3-5,7,9-11"])
def test_indexes(text):
    """Sets of indexes are written as upstream writes them, and read back."""
    assert indexes.render(indexes.parse(text, 12)) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [("0-99999999999", {0, 1, 2}), ("2-5,7", {2}), ("²,1-²,-1,1-", set()), ("9" * 40, set())],
)
def test_indexes_beyond_the_job(text, found):
    """However many a text names, those of the job count; what is no number is passed by."""
    assert indexes.parse(text, 3) == found
    assert len(indexes.parse("0-2147483646", 2**31 - 1)) == 1_000_000
