"""DataImportCrons: what is refused."""

import pytest

from fakekube.virt.cdi import cron_rules

REGISTRY = {"registry": {"url": "docker://quay.io/fedora"}}
STORAGE = {"resources": {"requests": {"storage": "1Gi"}}}


def cron(own="cron", template=None, **spec):
    wanted = {"source": REGISTRY, "storage": STORAGE, **(template or {})}
    said = {"schedule": "0 * * * *", "managedDataSource": "fedora", **spec}
    return {"metadata": {"name": own}, "spec": {"template": {"spec": wanted}, **said}}


@pytest.mark.parametrize(
    ("given", "message", "field"),
    [
        (cron("c" * 254), "Name cannot be longer than 253 characters", ""),
        (cron(template={"source": None}), "Missing registry source", "spec.Template"),
        (cron(template={"source": {"http": {"url": "x"}}}), "Missing registry source", "spec.Template"),
        (
            cron(template={"contentType": "kubevirt"}),
            "Unsettable fields: SourceRef, ContentType, Checkpoints, FinalCheckpoint",
            "spec.Template",
        ),
        (cron(template={"storage": None}), "Missing Data volume PVC", "Template.PVC"),
        (cron(schedule="nonsense"), "Illegal cron schedule", "spec.Schedule"),
        (cron(importsToKeep=-1), "Illegal ImportsToKeep value", "spec.ImportsToKeep"),
        (cron(garbageCollect="Sometimes"), "Illegal GarbageCollect value", "spec.Schedule"),
        (cron(managedDataSource=""), "Illegal ManagedDataSource value", "spec.ManagedDataSource"),
        (cron(managedDataSource="d" * 254), "Name cannot be longer than 253 characters", ""),
    ],
)
def test_what_is_refused(given, message, field):
    """The first thing that is wrong is said, with upstream's field."""
    found = cron_rules.cron(given, None)
    assert (found.message, found.field) == (message, field)


PVC = {"pvc": {"name": "gold", "namespace": "images"}}


@pytest.mark.parametrize(
    "given",
    [
        cron(),
        cron(schedule=""),
        cron(garbageCollect="Never", importsToKeep=0),
        cron(template={"source": PVC}),
    ],
)
def test_what_is_not(given):
    """Images and claims are imported by schedule, or when somebody says so."""
    assert cron_rules.cron(given, None) is None


def test_specs_stay():
    """Metadata changes, specs do not."""
    changed = cron_rules.cron(cron(schedule="1 * * * *"), cron())
    assert (changed.message, changed.reason) == ("Cannot update DataImportCron Spec", "FieldValueDuplicate")
    assert cron_rules.cron({**cron(), "status": {}}, cron()) is None
