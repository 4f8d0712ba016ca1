"""Pod specs: their defaults, and the rules they are held to, alone and inside the templates of workloads. Pure."""
