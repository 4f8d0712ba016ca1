"""Jobs: pods that end, so many of them and so often."""
