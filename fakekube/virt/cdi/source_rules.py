"""What cdi-apiserver finds wrong with the sources of DataVolumes: the first thing, as upstream stops there. Pure.

Origin: cdi: pkg/apiserver/webhooks/util.go
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from fakekube.virt.causes import Cause

Spec = Mapping[str, Any]

_OF_URL = {"http": "HTTP", "s3": "S3", "gcs": "GCS", "imageio": "ImageIO", "vddk": "VDDK"}
_NEEDED = {
    "imageio": ("Imageio", ("secretRef", "certConfigMap", "diskId")),
    "vddk": ("VDDK", ("secretRef", "uuid", "backingFile", "thumbprint")),
}
_CLONED = {"pvc": ("PVC", "PVC"), "snapshot": ("Snapshot", "snapshot")}
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*(?=:)")


def source(kind: str, told: Spec, content: str, path: str) -> Cause | None:
    """One way to fill a claim. What the definition of the type sees to is not looked at."""
    field = f"{path}.source"
    if kind == "blank" and content == "archive":
        text = "SourceType cannot be blank and the contentType be archive"
        return Cause(text, f"{path}.contentType")
    if kind == "registry":
        if content != "kubevirt":
            text = "ContentType must be kubevirt when Source is Registry"
            return Cause(text, f"{path}.contentType")
        return _registry(told, f"{field}.Registry")
    if kind in _NEEDED:
        word, members = _NEEDED[kind]
        if not all(told.get(one) for one in members):
            return Cause(f"{field}.{word} source {word} is not valid", f"{field}.{word}")
    if kind in _OF_URL:
        wrong = _wrong_url(told.get("url") or "")
        return Cause(f"{field} {wrong}", f"{field}.{_OF_URL[kind]}.url") if wrong else None
    if kind in _CLONED and not (told.get("namespace") and told.get("name")):
        word, said = _CLONED[kind]
        return Cause(f"{field}.{word} source {said} is not valid", f"{field}.{word}")
    return None


def _wrong_url(url: str) -> str:
    if not url:
        return "source URL is empty"
    scheme = _SCHEME.match(url)
    if scheme is None and not url.startswith("/"):
        return f"Invalid source URL: {url}"
    known = scheme is not None and scheme[0].lower() in ("http", "https", "gs")
    return "" if known else f"Invalid source URL scheme: {url}"


def _registry(told: Spec, field: str) -> Cause | None:
    url, stream, method = (told.get(one) for one in ("url", "imageStream", "pullMethod"))
    if (url is None) == (stream is None):
        return Cause("Source registry should have either URL or ImageStream", field)
    if url is not None:
        scheme = _SCHEME.match(url)
        if scheme is None and ":" in url.partition("/")[0]:
            return Cause(f"Illegal registry source URL {url}", f"{field}.URL")
        if scheme is None or urlsplit(url).scheme not in ("docker", "oci-archive"):
            return Cause(f"Illegal registry source URL scheme {url}", f"{field}.URL")
    if method not in (None, "pod", "node"):
        text = f'ImportMethod {method} is neither pod, node or ""'
        return Cause(text, f"{field}.importMethod")
    if stream == "":
        return Cause("Source registry ImageStream is not valid", f"{field}.importMethod")
    if stream is not None and method != "node":
        text = "Source registry ImageStream is supported only with node pull import method"
        return Cause(text, f"{field}.importMethod")
    return None
