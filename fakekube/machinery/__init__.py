"""Shared values: what client and server both speak. No I/O, no state."""
