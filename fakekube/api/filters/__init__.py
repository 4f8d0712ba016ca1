"""What happens around every request, one module each."""
