"""The documents of a YAML text, with where everything in them stands."""

import yaml

from fakekube.lifecycle.places import Place
from fakekube.lifecycle.stage import StageError
from fakekube.machinery import yaml_text

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def documents(text: str, source: str) -> list[Place]:
    """Raises StageError."""
    try:
        nodes = list(yaml.compose_all(text, Loader=_LOADER))
        values = [value for _, value in yaml_text.load_all(text)]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        said = str(error.problem)  # a key given twice is YAML, but not ours
        reason = said if isinstance(error, yaml.constructor.ConstructorError) else f"not YAML: {said}"
        raise StageError(source, line, reason) from None
    return [Place(source, "", node, value) for node, value in zip(nodes, values, strict=True)]
