"""Devices that pods claim (DRA): claims are made from templates, allocated, reserved and let go. Loaded for the first such pod."""
