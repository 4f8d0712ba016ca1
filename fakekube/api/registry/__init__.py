"""What resources exist, and the rules of reading and writing them."""
