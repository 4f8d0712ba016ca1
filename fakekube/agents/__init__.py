"""The cluster's own actors: what kube-controller-manager, scheduler and kubelet do. Clients only."""
