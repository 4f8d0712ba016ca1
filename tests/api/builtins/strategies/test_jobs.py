"""Jobs and CronJobs through the server: generated selectors, what stays, when cron speaks, and how they go."""

from typing import Any

import pytest

from fakekube.machinery import cron
from tests.api.builtins.strategies.conftest import Send, said
from tests.api.conftest import Ask, json_of

BATCH = "/apis/batch/v1/namespaces/default"
POD: dict[str, Any] = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}
SPEC: dict[str, Any] = {"template": {"spec": POD}}


async def test_job_defaults(create: Send) -> None:
    """One completion, six retries; selector and labels are made of the Job's uid and name."""
    job = await create(f"{BATCH}/jobs", "j", spec=SPEC, status={"active": 1})
    uid = job["metadata"]["uid"]
    labels = {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": "j",
        "controller-uid": uid,
        "job-name": "j",
    }
    assert job["metadata"]["labels"] == job["spec"]["template"]["metadata"]["labels"] == labels
    assert {key: job["spec"][key] for key in job["spec"].keys() - {"template"}} == {
        "parallelism": 1,
        "completions": 1,
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "suspend": False,
        "manualSelector": False,
        "podReplacementPolicy": "TerminatingOrFailed",
        "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}},
    }
    assert job["status"] == {}


async def test_generated_names_are_in_the_labels(ask: Ask) -> None:
    """A generated name is known to labels and selector."""
    body = {"metadata": {"generateName": "j-"}, "spec": SPEC}
    job = json_of(await ask("POST", f"{BATCH}/jobs", body))
    assert job["spec"]["template"]["metadata"]["labels"]["job-name"] == job["metadata"]["name"]


async def test_labels_of_ones_own_are_refused_where_the_server_writes(create: Send) -> None:
    """Who labels the template like the server but differently is told; with a manual selector nobody minds."""
    template = {"metadata": {"labels": {"job-name": "other"}}, "spec": POD}
    refused = await create(f"{BATCH}/jobs", "j", spec={"template": template})
    assert [text.split(": ")[0] for text in said(refused)] == ["spec.template.metadata.labels[job-name]"]
    spec = {"manualSelector": True, "selector": {"matchLabels": {"job-name": "other"}}, "template": template}
    job = await create(f"{BATCH}/jobs", "j", spec=spec)
    assert job["spec"]["selector"] == {"matchLabels": {"job-name": "other"}}


@pytest.mark.parametrize(
    ("spec", "texts"),
    [
        (
            {"template": {"spec": {**POD, "restartPolicy": "Always"}}},
            ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
        ),
        ({**SPEC, "completionMode": "Indexed", "parallelism": 1}, ["spec.completions: Required value: when completion mode is Indexed"]),
        (
            {**SPEC, "backoffLimitPerIndex": 1},
            ["spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"],
        ),
        (
            {**SPEC, "podFailurePolicy": {"rules": [{"action": "Ignore"}]}},
            ["spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required"],
        ),
        (
            {
                **SPEC,
                "podFailurePolicy": {
                    "rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [2, 0, 2]}}]
                },
            },
            [
                "spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator",
                "spec.podFailurePolicy.rules[0].onExitCodes.values[2]: Duplicate value: 2",
                "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [2,0,2]: must be ordered",
            ],
        ),
    ],
)  # fmt: skip
async def test_job_rules(create: Send, spec: dict[str, Any], texts: list[str]) -> None:
    """Pods of a Job end; indexes are counted; failure policies are unambiguous."""
    assert said(await create(f"{BATCH}/jobs", "j", spec=spec)) == texts


async def test_jobs_stay_what_they_are(create: Send, change: Send) -> None:
    """Completions and template are fixed; a suspended Job that never started may still be sent elsewhere."""
    await create(f"{BATCH}/jobs", "j", spec={**SPEC, "suspend": True})
    at = f"{BATCH}/jobs/j"
    refused = await change(at, {"spec": {"completions": 5}})
    assert said(refused) == ["spec.completions: Invalid value: 5: field is immutable"]
    job = await change(at, {"spec": {"template": {"spec": {"nodeSelector": {"disk": "fast"}}}}})
    assert job["metadata"]["generation"] == 2
    job = await change(at, {"spec": {"suspend": False}})
    assert job["spec"]["suspend"] is False
    refused = await change(at, {"spec": {"template": {"spec": {"nodeSelector": {"disk": "slow"}}}}})
    assert [text.split(": ")[0] for text in said(refused)] == ["spec.template"]


async def test_the_end_of_a_job(create: Send, change: Send) -> None:
    """Complete needs its times and its forerunner, and cannot be taken back."""
    await create(f"{BATCH}/jobs", "j", spec=SPEC)
    at = f"{BATCH}/jobs/j/status"
    complete = {"type": "Complete", "status": "True"}
    refused = await change(at, {"status": {"conditions": [complete]}})
    assert said(refused) == [
        "status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
        "status.completionTime: Required value: completionTime is required for Complete jobs",
        "status.startTime: Required value: startTime is required for finished job",
    ]
    times = {"startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:01:00Z"}
    met = {"type": "SuccessCriteriaMet", "status": "True"}
    job = await change(at, {"status": {**times, "conditions": [met, complete], "succeeded": 1}})
    assert job["status"]["conditions"][1] == complete | {"lastProbeTime": None, "lastTransitionTime": None}
    refused = await change(at, {"status": {"conditions": None, "completionTime": None}})
    assert (
        said(refused)[0]
        == "status.conditions: Invalid value: cannot disable the terminal Complete=True condition"
    )


INDEXED: dict[str, Any] = {**SPEC, "completionMode": "Indexed", "completions": 5}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("0-20000000", 'too large index: "20000000"'),
        ("5", 'too large index: "5"'),
        ("x-1", 'cannot convert string to integer for index: "x"'),
        ("1,", 'cannot convert string to integer for index: ""'),
        ("-1", 'cannot convert string to integer for index: ""'),
        ("²", 'cannot convert string to integer for index: "²"'),
        (
            "1-2-3",
            "the fragment \"1-2-3\" violates the requirement that an index interval can have at most two parts separated by '-'",
        ),
        ("2-2", "non-increasing order, previous: 2, current: 2"),
        ("0-2,1", "non-increasing order, previous: 2, current: 1"),
    ],
)
async def test_indexes_that_are_none(create: Send, change: Send, text: str, wrong: str) -> None:
    """Neither a status nor a success policy tells of indexes the Job does not have."""
    await create(f"{BATCH}/jobs", "j", spec={**INDEXED, "backoffLimitPerIndex": 1})
    for member in ("completedIndexes", "failedIndexes"):
        refused = await change(f"{BATCH}/jobs/j/status", {"status": {member: text}})
        assert said(refused) == [f'status.{member}: Invalid value: "{text}": error parsing {member}: {wrong}']
    policy = {"rules": [{"succeededIndexes": text}]}
    refused = await create(f"{BATCH}/jobs", "k", spec={**INDEXED, "successPolicy": policy})
    at = "spec.successPolicy.rules[0].succeededIndexes"
    assert said(refused) == [f'{at}: Invalid value: "{text}": error parsing succeededIndexes: {wrong}']


async def test_indexes_that_do_not_fit_the_job(create: Send, change: Send) -> None:
    """An index has succeeded or failed, and has done either in Jobs that count by it; a rule wants no more than it names."""
    await create(f"{BATCH}/jobs", "j", spec={**INDEXED, "backoffLimitPerIndex": 1})
    both = {"completedIndexes": "0,2-3", "failedIndexes": "1,3-4"}
    assert said(await change(f"{BATCH}/jobs/j/status", {"status": both})) == [
        'status.failedIndexes: Invalid value: "1,3-4": failedIndexes and completedIndexes overlap at index: 3'
    ]
    job = await change(f"{BATCH}/jobs/j/status", {"status": both | {"failedIndexes": "1,4"}})
    assert job["status"]["completedIndexes"] == "0,2-3"
    await create(f"{BATCH}/jobs", "k", spec=SPEC)
    assert said(
        await change(f"{BATCH}/jobs/k/status", {"status": {"completedIndexes": "0", "failedIndexes": ""}})
    ) == [
        'status.completedIndexes: Invalid value: "0": cannot set non-empty completedIndexes when non-indexed completion mode',
        'status.failedIndexes: Invalid value: "": cannot set non-null failedIndexes when backoffLimitPerIndex is null',
    ]
    policy = {"rules": [{"succeededIndexes": "1-2", "succeededCount": 3}]}
    refused = await create(f"{BATCH}/jobs", "l", spec={**INDEXED, "successPolicy": policy})
    wrong = "must be less than or equal to 2 (the number of indexes in the specified succeededIndexes field)"
    assert said(refused) == [f"spec.successPolicy.rules[0].succeededCount: Invalid value: 3: {wrong}"]


async def test_deleted_jobs_leave_their_pods(create: Send, ask: Ask) -> None:
    """Without a policy a Job orphans its pods, and says so; with one it says nothing."""
    await create(f"{BATCH}/jobs", "j", spec=SPEC)
    answer = await ask("DELETE", f"{BATCH}/jobs/j")
    assert json_of(answer)["metadata"]["finalizers"] == ["orphan"]
    assert ("Warning", ('299 - "child pods are preserved by default when jobs are deleted; set '
            'propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning"')
            ) in answer.headers  # fmt: skip
    await create(f"{BATCH}/jobs", "k", spec=SPEC)
    answer = await ask("DELETE", f"{BATCH}/jobs/k?propagationPolicy=Background")
    assert not [value for name, value in answer.headers if name == "Warning"]


async def test_cron_job_defaults(create: Send) -> None:
    """Concurrency allowed, three successes and one failure kept; the Job's own defaults come with the Job."""
    made = await create(
        f"{BATCH}/cronjobs", "c", spec={"schedule": "*/5 * * * *", "jobTemplate": {"spec": SPEC}}
    )
    assert {key: made["spec"][key] for key in made["spec"].keys() - {"jobTemplate"}} == {
        "schedule": "*/5 * * * *",
        "concurrencyPolicy": "Allow",
        "suspend": False,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 1,
    }
    job = made["spec"]["jobTemplate"]["spec"]
    assert "backoffLimit" not in job
    assert job["template"]["spec"]["dnsPolicy"] == "ClusterFirst"


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"schedule": "every day"}, 'spec.schedule: Invalid value: "every day": expected exactly 5 fields, found 2: [every day]'),
        (
            {"schedule": "TZ=UTC 0 * * * *"},
            'spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
        ),
        ({"timeZone": "Mars/Olympus"}, 'spec.timeZone: Invalid value: "Mars/Olympus": unknown time zone Mars/Olympus'),
        (
            {"concurrencyPolicy": "Maybe"},
            'spec.concurrencyPolicy: Unsupported value: "Maybe": supported values: "Allow", "Forbid", "Replace"',
        ),
    ],
)  # fmt: skip
async def test_cron_job_rules(create: Send, more: dict[str, Any], text: str) -> None:
    """Schedules, zones and policies are readable."""
    spec = {"schedule": "@daily", "jobTemplate": {"spec": SPEC}, **more}
    assert said(await create(f"{BATCH}/cronjobs", "c", spec=spec)) == [text]


async def test_cron_jobs_have_short_names(create: Send) -> None:
    """Eleven characters are left for the time in the Job's name."""
    spec = {"schedule": "@daily", "jobTemplate": {"spec": SPEC}}
    refused = await create(f"{BATCH}/cronjobs", "c" * 53, spec=spec)
    assert said(refused) == [
        f'metadata.name: Invalid value: "{"c" * 53}": must be no more than 52 characters'
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("* * * * *", ""),
        ("0 9-17 * jan-mar mon,wed", ""),
        ("*/15 0 1,15 * ?", ""),
        ("@hourly", ""),
        ("@every 1h30m", ""),
        ("", "empty spec string"),
        ("@never", "unrecognized descriptor: @never"),
        ("@every x", 'failed to parse duration @every x: time: invalid duration "x"'),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-3 * * * *", "beginning of range (5) beyond end of range (3): 5-3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("a * * * *", 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("-1 * * * *", 'failed to parse int from : strconv.Atoi: parsing "": invalid syntax'),
    ],
)
def test_schedules(text: str, problem: str) -> None:
    """Five fields within their bounds, or one of a few words; the parser names the first thing it cannot read."""
    assert cron.problem(text) == problem
