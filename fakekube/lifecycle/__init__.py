"""Simulation: life cycles as data (stages), matched purely, played through a client."""
