"""The workload controllers of kube-controller-manager: what makes pods of templates, and keeps as many as wanted.

`deployments`, `replicasets`, `statefulsets`, `daemonsets`, `jobs` and `cronjobs` each hold one controller: `planning` decides,
purely, and `controller` watches and writes. What they have in common stands beside them: the shared caches (`caches`), who
owns whom (`claiming`), making and deleting pods (`pod_control`), what pods are like (`pods`), revisions of templates.
"""
