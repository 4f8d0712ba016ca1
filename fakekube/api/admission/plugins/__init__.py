"""Admission that is built in."""
