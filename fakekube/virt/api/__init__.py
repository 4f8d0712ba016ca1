"""virt-api: KubeVirt's admission webhooks and the aggregated API `subresources.kubevirt.io`."""
