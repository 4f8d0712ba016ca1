"""Instancetypes and preferences: which kinds there are, and what they make of an instance. Neutral ground of virt's components."""
