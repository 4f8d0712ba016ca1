"""The built-in groups as tables, with the few strategies they need."""
