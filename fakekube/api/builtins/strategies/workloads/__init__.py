"""Workloads: what makes pods of a template. Each kind's defaults, rules, and what may change."""
