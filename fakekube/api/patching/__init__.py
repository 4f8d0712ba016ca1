"""Patches and apply as pure functions: objects in, a new object out, nothing changed in place.

    decoding                             a patch's body → values, or 400 in the real server's words
    json_patch, merge_patch, strategic_merge   the three patches: apply(obj, patch)
    server_side_apply                    the fourth: apply(live, configuration, manager=…)
    managed_fields                       who owns what after any other write: record_update(old, new, manager=…)

Below: `fieldset` (sets of paths), `typed` (what a schema says of ownership), `compare`, `merge`, `validate` and
`reconcile` (walks by type).
"""
