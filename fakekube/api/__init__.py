"""The Kubernetes API over a store: resources as data. Knows no KubeVirt and no sockets."""
