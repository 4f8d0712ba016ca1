"""The phases of migrations."""

PENDING, SCHEDULING, SCHEDULED = "Pending", "Scheduling", "Scheduled"
SYNCHRONIZING, WAITING = "Synchronizing", "WaitingForSync"  # for the other side
PREPARING, TARGET_READY = "PreparingTarget", "TargetReady"
RUNNING, SUCCEEDED, FAILED = "Running", "Succeeded", "Failed"
