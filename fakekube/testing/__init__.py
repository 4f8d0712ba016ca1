"""What tests hold in their hands: a cluster in the same loop or behind a socket, with the helpers people know."""
