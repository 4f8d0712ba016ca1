"""Admission."""

import pytest

from conformance.kube import JSON, OLD_POOL, POOL, WEBHOOK, Kind, Object, Refusal
from conformance.manifests import pool, template, vmi_template
from conformance.world import World

DENIED = 'admission webhook "virtualmachinepool-validator.kubevirt.io" denied the request: '
VM_SPEC = "spec.virtualMachineTemplate.spec"


async def refused(world: World, manifest: Object, kind: Kind = POOL) -> Refusal:
    with pytest.raises(Refusal) as found:
        await world.create(manifest, kind)
    return found.value


def mismatching() -> Object:
    manifest = pool()
    manifest["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    return manifest


def diskless() -> Object:
    """A disk that has no volume."""
    vmi = vmi_template()
    vmi["spec"]["domain"]["devices"] = {"disks": [{"name": "lost", "disk": {"bus": "virtio"}}]}
    return template(vmi=vmi)


@pytest.mark.smoke
async def test_P_012_the_selector_must_match(world: World) -> None:
    """P-012, S-05: A selector that does not match the template's labels is refused."""
    refusal = await refused(world, mismatching())
    assert refusal.message == DENIED + "selector does not match labels."
    assert refusal.code == 422
    assert refusal.fields == ["spec.selector"]


async def test_P_013_an_empty_selector(world: World) -> None:
    """P-013: {} matches everything and is accepted."""
    manifest = pool(replicas=1)
    manifest["spec"]["selector"] = {}
    await world.create(manifest)
    await world.until(lambda: set(world.vms) == {"p-0"})


async def test_P_014_an_unknown_operator(world: World) -> None:
    """P-014: An operator that does not exist is told in the parser's words."""
    manifest = pool()
    manifest["spec"]["selector"] = {"matchExpressions": [{"key": "app", "operator": "Foo", "values": ["p"]}]}
    refusal = await refused(world, manifest)
    assert refusal.fields == ["spec.selector"]
    assert '"Foo" is not a valid label selector operator' in refusal.message


async def test_P_015_the_selector_stays(world: World) -> None:
    """P-015: The selector cannot be changed."""
    await world.create(pool(replicas=0, template=template(labels={"app": "p", "tier": "x"})))
    operations = [{"op": "replace", "path": "/spec/selector", "value": {"matchLabels": {"tier": "x"}}}]
    with pytest.raises(Refusal) as found:
        await world.kube.patch(POOL, world.namespace, "p", operations, content=JSON)
    assert found.value.message == DENIED + "selector is immutable after creation."
    assert found.value.fields == ["spec.selector"]


async def test_P_016_labels_that_stop_matching(world: World) -> None:
    """P-016: Labels of the template cannot leave the selector behind."""
    await world.create(pool(replicas=0))
    with pytest.raises(Refusal) as found:
        await world.change_template(template(labels={"app": "other"}))
    assert found.value.message == DENIED + "selector does not match labels."


async def test_P_017_a_disk_without_volume(world: World) -> None:
    """P-017: The template is judged as a VM would be: a disk needs its volume."""
    refusal = await refused(world, pool(template=diskless()))
    field = f"{VM_SPEC}.template.spec.domain.devices.disks[0]"
    assert refusal.message.startswith(f"{DENIED}{field}.Name 'lost' not found")
    assert refusal.fields == [f"{field}.name"]


async def test_P_018_a_run_strategy_is_needed(world: World) -> None:
    """P-018: A template must say whether its VMs run."""
    body = template()
    del body["spec"]["runStrategy"]
    refusal = await refused(world, pool(template=body))
    assert refusal.fields == [f"{VM_SPEC}.running"]
    assert "RunStrategy must be specified" in refusal.message


async def test_P_019_everything_wrong_is_listed(world: World) -> None:
    """P-019: All mistakes are told at once: the VM's first, then selector, maxUnavailable, updates, scale-in."""
    both: Object = {"unmanaged": {}, "opportunistic": {}}
    body = diskless()
    del body["spec"]["runStrategy"]
    manifest = pool(template=body, maxUnavailable="5", updateStrategy=both, scaleInStrategy=both)
    manifest["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    assert (await refused(world, manifest)).fields == [
        f"{VM_SPEC}.template.spec.domain.devices.disks[0].name",
        f"{VM_SPEC}.running",
        "spec.selector",
        "spec.maxUnavailable",
        "spec.updateStrategy",
        "spec.scaleInStrategy",
    ]


async def unavailable(world: World, value: int | str) -> str:
    refusal = await refused(world, pool(maxUnavailable=value))
    assert refusal.fields == ["spec.maxUnavailable"]
    return refusal.message.removeprefix(DENIED)


async def test_P_020_a_string_is_a_percentage(world: World) -> None:
    """P-020: A string ends with %."""
    assert await unavailable(world, "50") == "maxUnavailable percentage must end with %"


async def test_P_021_a_percentage_is_a_number(world: World) -> None:
    """P-021: What stands before % is a number; what is none is quoted."""
    assert '"invalid"' in await unavailable(world, "invalid%")


@pytest.mark.parametrize("value", ["0%", "101%"])
async def test_P_022_percentages_have_a_range(world: World, value: str) -> None:
    """P-022: 1 to 100."""
    text = f"maxUnavailable percentage value {value[:-1]} must be between 1 and 100"
    assert await unavailable(world, value) == text


@pytest.mark.parametrize("value", [0, -1])
async def test_P_023_none_at_a_time_is_nothing(world: World, value: int) -> None:
    """P-023: A number is greater than zero."""
    assert await unavailable(world, value) == "maxUnavailable must be greater than 0"


@pytest.mark.parametrize("names", [("unmanaged", "proactive"), ("unmanaged", "opportunistic", "proactive")])
async def test_P_024_one_update_strategy(world: World, names: tuple[str, ...]) -> None:
    """P-024: Several update strategies are one mistake, naming them all."""
    refusal = await refused(world, pool(updateStrategy={name: {} for name in names}))
    assert refusal.fields == ["spec.updateStrategy"]
    assert "only one strategy can be configured at a time" in refusal.message
    assert all(name in refusal.message for name in names)


@pytest.mark.parametrize("names", [("unmanaged", "proactive"), ("unmanaged", "opportunistic", "proactive")])
async def test_P_025_one_scale_in_strategy(world: World, names: tuple[str, ...]) -> None:
    """P-025: Likewise for scale-in; with both wrong there are two causes, update first."""
    several: Object = {name: {} for name in names}
    refusal = await refused(world, pool(scaleInStrategy=several))
    assert refusal.fields == ["spec.scaleInStrategy"]
    assert all(name in refusal.message for name in names)
    refusal = await refused(world, pool(scaleInStrategy=several, updateStrategy=several))
    assert refusal.fields == ["spec.updateStrategy", "spec.scaleInStrategy"]


async def test_P_026_empty_strategies(world: World) -> None:
    """P-026: {} as a strategy is accepted and means proactive."""
    await world.create(pool(replicas=3, scaleInStrategy={}, updateStrategy={}))
    await world.pool_of("p-0", "p-1", "p-2")
    await world.change(replicas=1)
    await world.size(1)


@pytest.mark.parametrize("case", ["existing name", "version"])
async def test_P_027_admission_comes_first(world: World, case: str) -> None:
    """P-027: An invalid pool is called invalid, whether or not it could have been created anyway."""
    manifest = mismatching()
    if case == "version":
        manifest["metadata"]["resourceVersion"] = "1"
    else:
        await world.create(pool(replicas=0))
    refusal = await refused(world, manifest)
    assert refusal.reason == "Invalid"
    assert refusal.message == DENIED + "selector does not match labels."


async def test_P_028_subresources_are_not_asked_about(world: World) -> None:
    """P-028: The webhook that judges pools is asked about pools alone, and not about /scale and /status."""
    hooks = [
        hook
        for configuration in await world.kube.list(WEBHOOK, "")
        for hook in configuration.get("webhooks") or ()
        if hook["name"] == "virtualmachinepool-validator.kubevirt.io"
    ]
    assert {plural for hook in hooks for rule in hook["rules"] for plural in rule["resources"]} == {
        POOL.plural
    }


async def test_P_028_subresources_are_not_judged(bare: World) -> None:
    """P-028: … nor does anything else: writes to them pass, though the pool itself would be refused."""
    await bare.create(mismatching())
    await bare.set_status(POOL, "p", replicas=1)
    await bare.patch(POOL, "p", {"spec": {"replicas": 5}}, "scale")
    assert (await bare.kube.get(POOL, bare.namespace, "p"))["spec"]["replicas"] == 5


async def test_P_029_the_older_version_is_judged_alike(world: World) -> None:
    """P-029: v1alpha1 is no way around."""
    refusal = await refused(world, mismatching() | {"apiVersion": OLD_POOL.api}, OLD_POOL)
    assert refusal.message == DENIED + "selector does not match labels."
