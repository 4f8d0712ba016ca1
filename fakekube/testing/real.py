"""The same tests on a real cluster: each in a namespace of its own, which is deleted with everything in it."""

import re
from pathlib import Path

from fakekube.client import kubeconfig
from fakekube.client.http import HttpTransport
from fakekube.ids import Ids
from fakekube.testing.kit import Fakekube


async def on_real_cluster(path: str, test: str) -> Fakekube:
    """The helpers on the cluster that `path` leads to."""
    transport = HttpTransport.to(kubeconfig.load(path))
    word = re.sub(r"[^a-z0-9]+", "-", test.lower()).strip("-")[:40].strip("-")
    try:
        return await Fakekube.on(
            transport, namespace=f"{word}-{Ids().suffix()}", kubeconfig_path=Path(path), close=transport.close
        )
    except BaseException:
        await transport.close()
        raise
