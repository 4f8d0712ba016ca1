"""RE2 patterns, as Go reads them: schemas, CEL and filters of clones have them."""
