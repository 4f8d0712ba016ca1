"""The field schemas of KubeVirt's and CDI's custom resources, written as pydantic models.

They are the source of `operator/manifests/*.json`; `operator/generate.py` turns one into the other. A running server
reads the JSON and never imports this package.

Origin of fields, requirements and list types: kubevirt: staging/src/kubevirt.io/api,
cdi: staging/src/kubevirt.io/containerized-data-importer-api.
"""
