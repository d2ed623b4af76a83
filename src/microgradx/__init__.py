"""microgradx."""
