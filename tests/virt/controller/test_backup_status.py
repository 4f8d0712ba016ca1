"""What a backup tells, as functions of its object, of the guest and of the export."""

from fakekube.virt.controller.storage import backup_status

NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"


def told(status, kind):
    return next(one for one in status["conditions"] if one["type"] == kind)


def test_times_of_conditions():
    """A condition keeps its time until it turns from true to false."""
    first = backup_status.progressing({}, "Initializing", "waits", NOW)
    second = backup_status.progressing(first, *backup_status.IN_PROGRESS, LATER)
    assert told(second, "Progressing") == {
        "type": "Progressing",
        "status": "True",
        "reason": "Initiated",
        "message": "Backup is in progress",
        "lastTransitionTime": NOW,
    }
    over = backup_status.failed(second, "SourceLost", "it is gone", LATER)
    assert told(over, "Progressing")["lastTransitionTime"] == LATER
    assert backup_status.is_over({"status": over})
    assert not backup_status.is_over({"status": second})


def test_how_it_ends():
    """With success, with a warning, with a failure, and with one nobody can explain."""
    done, event = backup_status.concluded({}, {"completed": True}, NOW)
    assert told(done, "Complete")["reason"] == "Completed"
    assert event == (True, "VirtualMachineBackupCompletedSuccessfully", backup_status.COMPLETED)
    done, event = backup_status.concluded({}, {"completed": True, "backupMsg": "odd"}, NOW)
    assert told(done, "Complete")["reason"] == "CompletedWithWarning"
    text = "Completed VirtualMachineBackup, warning: odd"
    assert event == (False, "VirtualMachineBackupCompletedWithWarning", text)
    done, event = backup_status.concluded({}, {"completed": True, "failed": True}, NOW)
    assert told(done, "Failed")["message"] == "Backup has failed: unknown, no completion message"
    assert event == (False, "VirtualMachineBackupFailed", "unknown, no completion message")


def test_quiesced():
    """What came of quieting the guest; what nobody knows is not told."""
    skipped = backup_status.quiesced({}, {"quiesceStatus": "Skipped"}, NOW)
    assert told(skipped, "Quiesced")["status"] == "False"
    assert told(skipped, "Quiesced")["message"] == "Guest filesystem quiesce was skipped"
    assert backup_status.quiesced({}, {"quiesceStatus": "Odd"}, NOW) == {}


def test_target_volume():
    """Names too long for a label are cut, and end in a hash of the whole name."""
    assert backup_status.target_volume("b") == "b-backup-target-pvc"
    long = backup_status.target_volume("b" * 60)
    assert len(long) == 63
    assert long.startswith("b" * 36 + "-")
    assert long.endswith("-backup-target-pvc")
    assert long != backup_status.target_volume("b" * 61)


def test_where_it_is_fetched():
    """The external links go before the internal ones; nothing is told before there are any."""
    status = {"includedVolumes": [{"volumeName": "disk"}]}
    ends = [{"endpoint": "data", "url": "https://in/data"}]
    inside = {"cert": "c", "backups": [{"name": "disk", "endpoints": ends}]}
    outside = {"cert": "d", "backups": [{"name": "disk", "endpoints": [{**ends[0], "url": "https://out/"}]}]}
    export = {"status": {"phase": "Ready", "links": {"internal": inside}}}
    assert backup_status.pulled_from(status, {"status": {"phase": "Pending"}}, NOW) == status
    assert backup_status.pulled_from({}, export, NOW) == {}
    assert backup_status.pulled_from(status, {"status": {"phase": "Ready", "links": {}}}, NOW) == status
    found = backup_status.pulled_from(status, export, NOW)
    assert found["endpointCert"] == "c"
    assert found["includedVolumes"] == [{"volumeName": "disk", "dataEndpoint": "https://in/data"}]
    export["status"]["links"]["external"] = outside
    assert backup_status.pulled_from(status, export, NOW)["endpointCert"] == "d"
