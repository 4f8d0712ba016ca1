"""Recordings of the real virt-controller, played on fakekube. FAKEKUBE_RECORDINGS=all plays every one that was distilled,
a folder's path those in it; otherwise some of them, of each kind at least one."""

import os
from pathlib import Path

import pytest

from tests.recordings import distilled, expected, judging, reading

_SOME = {
    "a_seed_create",
    "c_detach",
    "d_delete_vm",
    "e_proactive_memory",
    "f_state_offline",
    "g_created_paused",
    "i_namegen_both",
    "j_delete_default",
    "k_autoheal_clean",
    "k_replica_failure",
    "m_always",
    "m_crashloop",
    "m_dv_import",
    "m_dv_missing",
    "m_image_errors",
    "m_pause",
    "m_rerun",
    "m_template_change",
    "m_vmi_alone",
    "n_hpa",
    "o_migrate",
    "o_migrate_fail",
    "q_cdi_config_empty",
    "q_contract_timestamps",
}
_WANTED = os.environ.get("FAKEKUBE_RECORDINGS", "")
_ENTRIES = expected.load()


def _recordings():
    if _WANTED not in ("", "all"):
        return [
            one for file in sorted(Path(_WANTED).glob("*.jsonl")) if not (one := reading.read(file)).brief
        ]
    return [one for one in distilled.read() if _WANTED or one.name in _SOME]


@pytest.mark.parametrize("recording", _recordings(), ids=lambda one: one.name)
async def test_a_recording_is_matched(recording):
    """Per object and field the same sequence of values, and the same events, but for what has a reason to differ."""
    verdict = await judging.judged(recording, _ENTRIES)
    assert not verdict.unexplained, "\n".join(str(one) for one in verdict.unexplained)


def test_the_choice_is_of_what_there_is():
    """Every recording the tests name has been distilled."""
    assert {one.name for one in distilled.read()} >= _SOME
