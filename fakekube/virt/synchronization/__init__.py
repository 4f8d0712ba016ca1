"""KubeVirt's virt-synchronization-controller."""
