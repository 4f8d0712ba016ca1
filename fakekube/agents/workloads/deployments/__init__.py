"""Deployments: ReplicaSets that take over from each other, one for each template."""
