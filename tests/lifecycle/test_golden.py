"""Golden files of the standard stages: objects as they come, and what happens to them next, track by track.

`FAKEKUBE_GOLDEN=write pytest tests/lifecycle/test_golden.py` writes the outcomes anew; look at the difference.
"""

import json
import os
from pathlib import Path

import pytest
import yaml
from msgspec.structs import asdict

from fakekube.agents import kubelet
from fakekube.agents.pods.view import PodView
from fakekube.clock import parse_rfc3339, rfc3339
from fakekube.lifecycle import script
from fakekube.lifecycle.stage import REALISTIC
from fakekube.virt.handler import fates, guest
from fakekube.virt.handler.guest_moves import Launchers
from fakekube.virt.handler.guest_view import GuestView, Memory
from fakekube.virt.handler.launcher import LauncherView
from tests.lifecycle.prospects import prospects

FOLDER = Path(__file__).parent / "golden"
FILES = sorted(FOLDER.glob("*.yaml"))
NOW = parse_rfc3339("2026-01-01T00:01:00Z")
VMI = ("kubevirt.io", "VirtualMachineInstance")


def of_guest(given):
    vmi = given["object"]
    moments = {name: parse_rfc3339(given[name]) for name in ("started", "thaws") if name in given}
    memory = Memory("u", boot_fails=given.get("bootFails", False), **moments)
    launchers = Launchers(given.get("launcher"), given.get("target"), given.get("ended", False))
    view = GuestView(vmi, NOW, fate=fates.of(vmi), memory=memory, launchers=launchers)
    return guest.standard_stages(), VMI, {"guest": view}


def of_launcher(given):
    vmi = given.get("guest")
    fate = fates.of(vmi) if vmi else fates.NONE
    started = Memory("u", parse_rfc3339(given["started"]) if "started" in given else None)
    view = LauncherView(given["object"], vmi, NOW, fate=fate, memory=started)
    return guest.standard_stages(), ("", "Pod"), {"launcher": view}


class Networks:
    """What Multus says in a golden file."""

    def __init__(self, unattached):
        self._unattached = unattached

    def unattached(self, _pod):
        return self._unattached

    def status(self, _pod, address):
        return f"[attached to all, besides {address}]"


def of_pod(given):
    view = PodView(
        given["object"],
        rfc3339(NOW),
        node=given.get("node"),
        ends_elsewhere=given.get("endsElsewhere", False),
        address=lambda _pod, _node: "10.244.0.7",
        mounts=lambda _pod: given.get("missing", []),
        attachments=Networks(given.get("unattached", [])),
    )
    return kubelet.standard_stages(), ("", "Pod"), {"pod": view}


def outcome(file, given):
    stages, (group, kind), context = globals()[f"of_{file.name.partition('-')[0]}"](given)
    context = {"now": rfc3339(NOW), "object": given["object"], **context}
    played = script.for_kind(stages, group, kind, REALISTIC)
    found = prospects(played, given["object"], context, NOW)
    return [_shown(one) for one in found]


def _shown(prospect):
    shown = {"stage": prospect.stage, "after": prospect.after}
    if prospect.events:
        shown["events"] = [{k: v for k, v in asdict(one).items() if v} for one in prospect.events]
    if prospect.writes:
        shown["writes"] = list(prospect.writes)
    return shown | ({"deletes": True} if prospect.deletes else {})


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_golden(file):
    """What is next is what the golden file says."""
    golden = yaml.safe_load(file.read_text())
    found = json.loads(json.dumps(outcome(file, golden["given"])))
    if os.environ.get("FAKEKUBE_GOLDEN") == "write":
        head = "".join(line for line in file.read_text().splitlines(keepends=True) if line.startswith("#"))
        both = {"given": golden["given"], "then": found}
        text = yaml.safe_dump(both, sort_keys=False, width=120, default_flow_style=None)
        file.write_text(head + text)
    assert golden.get("then") == found


def test_every_stage_is_played():
    """Each standard stage that plays at pace realistic comes next in some golden file."""
    played = {one["stage"] for file in FILES for one in yaml.safe_load(file.read_text())["then"]}
    every = (*guest.standard_stages(), *kubelet.standard_stages())
    assert {one.name for one in every if "realistic" in one.paces} - played == set()
