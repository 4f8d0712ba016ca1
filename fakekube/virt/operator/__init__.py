"""virt-operator: what an installation of KubeVirt and CDI leaves in a cluster, as data and as an actor."""
