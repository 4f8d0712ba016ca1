"""Mutate, then validate: plugins and webhooks."""
