"""A DataImportCron, and what one tells, for all tests of them."""

NS = "default"
URL = "docker://quay.io/containerdisks/fedora:latest"


def cron(url=URL, schedule="0 * * * *", own="gold", **spec):
    storage = {"resources": {"requests": {"storage": "1Gi"}}}
    template = {"metadata": {}, "spec": {"source": {"registry": {"url": url}}, "storage": storage}}
    spec = {"template": template, "schedule": schedule, "managedDataSource": "fedora", **spec}
    marks = {"instancetype.kubevirt.io/default-preference": "fedora"}
    meta = {"name": own, "namespace": NS, "labels": marks}
    body = {"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataImportCron"}
    return {**body, "metadata": meta, "spec": spec}


def told(obj):
    return {
        one["type"]: (one["status"], one["reason"], one["message"]) for one in obj["status"]["conditions"]
    }
