"""The generated data: what of upstream's types must have survived the way through the generator."""

from fakekube.api.types import definitions, describe, descriptions
from fakekube.api.types.generate import schema

POD_SPEC = "io.k8s.api.core.v1.PodSpec"


def test_merge_annotations_survive():
    """Strategic merge and apply find their keys on a pod's containers."""
    containers = definitions()[POD_SPEC].properties["containers"]
    assert containers.patch_merge_key == "name"
    assert containers.patch_strategies == {"merge"}
    assert containers.list_type == "map"
    assert containers.list_map_keys == ("name",)


def test_list_key_defaults_are_restored():
    """A port's protocol is a list key, so its default must be known to apply."""
    ports = definitions()["io.k8s.api.core.v1.ServiceSpec"].properties["ports"]
    assert ports.items is not None
    assert ports.items.properties["protocol"].raw["default"] == "TCP"


def test_types_of_two_shapes_are_restored():
    """Ports may be names or numbers."""
    port = definitions()["io.k8s.api.core.v1.ServicePort"].properties["targetPort"]
    assert port.int_or_string


def test_every_reference_resolves():
    """No definition refers to one that was left out."""
    raw = definitions().raw

    def check(node: object) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                assert node["$ref"].removeprefix("#/definitions/") in raw
            for value in node.values():
                check(value)
        elif isinstance(node, list):
            for item in node:
                check(item)

    check(dict(raw))


def test_only_what_is_on_by_default():
    """Alpha and beta versions are not served, so their types are not carried."""
    assert "io.k8s.api.storage.v1beta1.VolumeAttributesClass" not in definitions()
    assert "io.k8s.api.storage.v1.VolumeAttributesClass" in definitions()


def test_descriptions_stand_apart():
    """Texts are in their own file, the schemas carry none."""
    assert describe(POD_SPEC, "containers").startswith("List of containers belonging to the pod.")
    assert describe(POD_SPEC) == "PodSpec is a description of a pod."
    assert describe("io.k8s.Nothing", "x") == ""
    assert set(descriptions()) == set(definitions().raw)
    assert "description" not in definitions()[POD_SPEC].raw["properties"]["containers"]


def test_a_property_called_description_is_no_text():
    """The generator drops texts by their place, not by their name."""
    raw = {
        "type": ["object", "null"],
        "properties": {"description": {"type": ["string", "null"], "description": "x"}},
    }
    assert schema(raw) == {"type": "object", "properties": {"description": {"type": "string"}}}
