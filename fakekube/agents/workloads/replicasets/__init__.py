"""ReplicaSets and ReplicationControllers: as many pods of one template as wanted."""
