"""Snapshots, restores, clones and exports: the lives of their objects. No byte of a disk is ever copied."""
