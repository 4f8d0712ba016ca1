"""State: keys, bytes, revisions. Knows no JSON, no kinds, no selectors."""
