"""The aggregated API `subresources.kubevirt.io`: start, stop, pause, migrate, addvolume, … as requests."""
