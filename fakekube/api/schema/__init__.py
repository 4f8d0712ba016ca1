"""Types as data: schemas, and the walks over them that prune, default and validate. Pure."""
