"""What guests and pods use, and the metrics APIs that tell it."""
