"""KubeVirt's own virt-controller on backups of machines.

Origin: kubevirt: pkg/storage/cbt
"""

import pytest

from tests.upstream import storage
from tests.upstream.conftest import Make, conditions
from tests.upstream.foreign.conftest import WITHOUT
from tests.upstream.foreign.go_backups import BACKUPS, Backups
from tests.upstream.foreign.go_controller import CLAIMS
from tests.upstream.foreign.go_machines import VMS
from tests.upstream.foreign.subjects import told
from tests.upstream.test_changed_block_specs import LABEL, choose


@pytest.fixture
async def go(suite_of: Make) -> Backups:
    suite = await suite_of(without=WITHOUT, service_accounts=True)
    await choose(suite, "IncrementalBackup", "UtilityVolumes")
    await suite.cluster.settle()
    return await Backups.at(suite)


async def test_a_machine_is_backed_up(go: Backups) -> None:
    """The node begins once the claim is mounted, however early the backup was noted, and unmounts it when it is over."""
    suite = go.suite
    await suite.create(VMS, storage.on_template(strategy="Always", labels=LABEL))
    await go.work(80)
    assert await told(go) == "Running"
    assert (await suite.get(go.machine))["status"]["changedBlockTracking"] == {"state": "Enabled"}
    body = {
        "apiVersion": "backup.kubevirt.io/v1alpha1",
        "kind": "VirtualMachineBackup",
        "metadata": {"name": "b"},
    }
    source = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "vm"}
    await suite.create(BACKUPS, {**body, "spec": {"source": source, "pvcName": "target"}})
    await go.work(80)
    await suite.cluster.advance(60)
    noted = (await go.vmi())["status"]["changedBlockTracking"]["backupStatus"]
    assert noted.keys() == {"backupName", "startTimestamp"}
    await suite.create(CLAIMS, storage.claim("target", size="2Gi"))
    await go.work(80)
    made = await suite.get(f"{BACKUPS}/b")
    assert conditions(made) == {"Progressing": "False", "Complete": "True"}
    assert made["status"]["includedVolumes"] == [{"volumeName": "disk0"}]
    vmi = await go.vmi()
    assert vmi["status"]["changedBlockTracking"] == {"state": "Enabled"}
    assert "utilityVolumes" not in vmi["spec"]
    assert not [one for one in vmi["status"]["volumeStatus"] if "hotplugVolume" in one]
