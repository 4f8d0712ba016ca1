"""A Kubernetes API server with KubeVirt that is not a cluster."""

__version__ = "0.1.0"
