"""What CDI, installed beside KubeVirt, does: DataVolumes become claims with contents."""
