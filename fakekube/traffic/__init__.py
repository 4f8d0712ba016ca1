"""What passes between clients and the API server: seen, remembered, and disturbed on purpose."""
