"""The built-in kinds: what they are (tables), their types (data), how they print, what they do (strategies)."""
