"""KubeVirt, cut like its own binaries: operator, api, controller, handler, and CDI beside it."""
