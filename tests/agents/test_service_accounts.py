import base64

from fakekube.agents.service_accounts import ServiceAccounts
from fakekube.machinery.resources import CONFIG_MAPS, NAMESPACES, SECRETS, SERVICE_ACCOUNTS


async def test_every_namespace_has_its_default_account(world):
    """Old and new namespaces get ServiceAccount default, and get it back when it is deleted."""
    world.start(ServiceAccounts)
    await world.namespace("new")
    await world.settle()
    assert await world.find(SERVICE_ACCOUNTS, "default", "default")
    before = await world.find(SERVICE_ACCOUNTS, "default", "new")
    await world.client.delete(SERVICE_ACCOUNTS, "default", "new")
    await world.settle()
    after = await world.find(SERVICE_ACCOUNTS, "default", "new")
    assert after["metadata"]["uid"] != before["metadata"]["uid"]


async def test_the_root_ca_is_published_where_there_is_one(world):
    """kube-root-ca.crt is created, and what somebody writes into it is undone."""
    world.start(ServiceAccounts, root_ca="PEM")
    await world.settle()
    bundle = await world.find(CONFIG_MAPS, "kube-root-ca.crt")
    assert bundle["data"] == {"ca.crt": "PEM"}
    assert "kubernetes.io/description" in bundle["metadata"]["annotations"]
    bundle["data"] = {"ca.crt": "forged"}
    await world.client.update(CONFIG_MAPS, bundle)
    await world.settle()
    assert (await world.find(CONFIG_MAPS, "kube-root-ca.crt"))["data"] == {"ca.crt": "PEM"}


async def test_without_a_root_ca_nothing_is_published(world):
    """No certificate authority, no ConfigMap."""
    world.start(ServiceAccounts)
    await world.settle()
    assert await world.find(CONFIG_MAPS, "kube-root-ca.crt") is None


async def test_a_dying_namespace_is_left_alone(world):
    """In a namespace that is being deleted nothing is created any more."""
    world.start(ServiceAccounts)
    await world.namespace("dying")
    await world.settle()
    await world.client.delete(NAMESPACES, "dying")
    await world.client.delete(SERVICE_ACCOUNTS, "default", "dying")
    await world.settle()
    assert await world.find(SERVICE_ACCOUNTS, "default", "dying") is None


async def test_secrets_get_the_token_of_their_account(world):
    """A Secret that names an account is filled with a token of it; one that names none that exists goes."""
    world.start(ServiceAccounts, root_ca="PEM")
    await world.client.create(SERVICE_ACCOUNTS, {"metadata": {"name": "bot"}}, "default")
    for name, account in (("t", "bot"), ("lost", "nobody")):
        meta = {"name": name, "annotations": {"kubernetes.io/service-account.name": account}}
        body = {"metadata": meta, "type": "kubernetes.io/service-account-token"}
        await world.client.create(SECRETS, body, "default")
    await world.settle()
    secret = await world.find(SECRETS, "t", "default")
    data = {name: base64.b64decode(text).decode() for name, text in secret["data"].items()}
    assert (data["namespace"], data["ca.crt"], data["token"].count(".")) == ("default", "PEM", 2)
    bot = await world.find(SERVICE_ACCOUNTS, "bot", "default")
    assert secret["metadata"]["annotations"]["kubernetes.io/service-account.uid"] == bot["metadata"]["uid"]
    assert await world.find(SECRETS, "lost", "default") is None
