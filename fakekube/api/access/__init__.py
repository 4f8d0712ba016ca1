"""Who asks, and what they may do: authentication and authorization."""
