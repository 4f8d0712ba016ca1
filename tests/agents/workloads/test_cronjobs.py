"""CronJobs, played in virtual time; schedules, on values."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from fakekube.machinery import cron

from .conftest import template


async def tick(shop, *, delay="", **spec):
    pod = template(restartPolicy="Never")
    if delay:
        pod["metadata"] = {"annotations": {"pod-completed.stage.fakekube.io/delay": delay}}
    job = {"spec": {"template": pod}, "metadata": {"labels": {"from": "cron"}}}
    return await shop.create("cronjobs", "a", **{"schedule": "*/10 * * * *", "jobTemplate": job, **spec})


async def jobs(shop):
    return [one["metadata"]["name"] for one in await shop.all("jobs")]


async def test_by_the_clock(shop):
    """A Job is made at every moment of the schedule, named after the minute, and the status remembers it."""
    await tick(shop)
    await shop.advance(599)
    assert await jobs(shop) == []
    await shop.advance(2)
    minute = int(datetime(2026, 1, 1, 0, 10, tzinfo=UTC).timestamp()) // 60
    (job,) = await shop.all("jobs")
    assert job["metadata"]["name"] == f"a-{minute}"
    assert job["metadata"]["labels"]["from"] == "cron"
    stamp = job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"]
    assert stamp == "2026-01-01T00:10:00Z"
    assert await shop.status("cronjobs") == {
        "lastScheduleTime": "2026-01-01T00:10:00Z",
        "lastSuccessfulTime": "2026-01-01T00:10:00Z",
    }
    assert await shop.events() == [
        ("SuccessfulCreate", f"Created job a-{minute}"),
        ("SawCompletedJob", f"Saw completed job: a-{minute}, condition: Complete"),
    ]


async def test_history(shop):
    """Only the last finished Jobs are kept, as many as the limits say."""
    await tick(shop, successfulJobsHistoryLimit=2)
    await shop.advance("1h")
    assert len(await jobs(shop)) == 2


@pytest.mark.parametrize(("policy", "running"), [("Allow", 3), ("Forbid", 1), ("Replace", 1)])
async def test_concurrency(shop, policy, running):
    """While a Job still runs the next one is made beside it, or not at all, or instead of it."""
    await tick(shop, delay="10h", concurrencyPolicy=policy)
    await shop.advance("35m")
    assert len(await jobs(shop)) == running
    assert len((await shop.status("cronjobs"))["active"]) == running
    reasons = [reason for reason, _ in await shop.events()]
    assert ("JobAlreadyActive" in reasons) == (policy == "Forbid")
    assert ("SuccessfulDelete" in reasons) == (policy == "Replace")


async def test_suspended_and_its_deadline(shop):
    """What came while suspended is made up for once, unless its deadline is over."""
    await tick(shop, suspend=True)
    await shop.advance("25m")
    assert await jobs(shop) == []
    await shop.change("cronjobs", suspend=False)
    assert len(await jobs(shop)) == 1
    await shop.change("cronjobs", suspend=True, startingDeadlineSeconds=30)
    await shop.advance("11m")
    await shop.change("cronjobs", suspend=False)
    assert len(await jobs(shop)) == 1


async def test_time_zone(shop):
    """A schedule is read by the clock of its time zone."""
    await tick(shop, schedule="30 1 * * *", timeZone="Europe/Berlin")
    await shop.advance("31m")
    (job,) = await shop.all("jobs")
    stamp = job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"]
    assert stamp == "2026-01-01T01:30:00+01:00"


async def test_an_impossible_schedule(shop):
    """A date that never comes makes no Job, and nobody waits for it."""
    await tick(shop, schedule="0 0 30 2 *")
    await shop.advance("25h")
    assert await jobs(shop) == []


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "after", "due"),
    [
        ("*/15 * * * *", "2026-01-01T00:00", "2026-01-01T00:15"),
        ("0 9-17/4 * * mon-fri", "2026-01-02T17:00", "2026-01-05T09:00"),
        ("0 0 13 * 5", "2026-02-01T00:00", "2026-02-06T00:00"),
        ("0 0 29 2 *", "2026-01-01T00:00", "2028-02-29T00:00"),
        ("@monthly", "2026-01-15T00:00", "2026-02-01T00:00"),
        ("@every 1h30m", "2026-01-01T00:00", "2026-01-01T01:30"),
    ],
)
def test_schedules(schedule, after, due):
    """The next moment of a schedule; where days of month and of week are both given, either will do."""
    assert cron.parse(schedule).next_after(at(after)) == at(due)


def test_a_skipped_hour():
    """A moment the zone's clock skips does not come that day."""
    zone = ZoneInfo("Europe/Berlin")
    due = cron.parse("30 2 * * *").next_after(at("2026-03-28T12:00"), zone)
    assert due == at("2026-03-30T00:30")
