"""The annotation of client-side `kubectl apply`, where server-side apply by kubectl takes over from it.

Fields that still are as the annotation says were kubectl's own, whoever managedFields names: applying them is no
conflict. Other managers get none of this.

Origin: k8s: staging/src/k8s.io/apimachinery/pkg/util/managedfields/internal/lastapplied{manager,updater}.go
"""

from collections.abc import Mapping

import orjson

from fakekube.api.patching import fieldset
from fakekube.api.patching.compare import compare, fields_of
from fakekube.api.patching.fieldset import FieldSet
from fakekube.api.patching.typed import Type
from fakekube.api.patching.validate import faults
from fakekube.machinery.wire import Object

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_ANNOTATIONS_LIMIT = 256 * 1024


def unchanged_since(live: Object, api_version: str, shape: Type) -> FieldSet | None:
    """The fields client-side apply set that nobody changed since; None when the annotation says nothing usable."""
    text = ((live.get("metadata") or {}).get("annotations") or {}).get(LAST_APPLIED)
    if not text:
        return None
    try:
        config = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(config, dict) or config.get("apiVersion") != api_version or faults(config, shape):
        return None
    changed, gone = compare(config, live, shape)
    return fieldset.difference(fieldset.difference(fields_of(config, shape), changed), gone)


def configuration_text(applied: Object, annotations: Mapping[str, str]) -> str | None:
    """The annotation's new text: the configuration without the annotation. None when annotations would grow too large."""
    metadata = applied.get("metadata") or {}
    own = metadata.get("annotations")
    if own and LAST_APPLIED in own:
        rest = {name: value for name, value in own.items() if name != LAST_APPLIED}
        applied = {**applied, "metadata": {**metadata, "annotations": rest}}
    text = orjson.dumps(applied, option=orjson.OPT_SORT_KEYS).decode() + "\n"
    together = {**annotations, LAST_APPLIED: text}
    size = sum(len(name.encode()) + len(value.encode()) for name, value in together.items())
    return text if size <= _ANNOTATIONS_LIMIT else None
