"""One module per verb: HTTP in, HTTP out."""
