"""PodDisruptionBudgets: how many of their pods may go, kept up to date for whoever evicts."""
