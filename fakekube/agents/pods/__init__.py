"""Pods as their kubelets have them: `view` says what is to be, `reports` and `conditions` what is written."""
