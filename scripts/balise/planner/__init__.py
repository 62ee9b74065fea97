"""What OLM v0 and v1 will do with a catalog, answered offline."""
