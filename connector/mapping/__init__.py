"""Maps canonical orders to each receiver's request: default mappings, mappings of settings.yaml, and code tables."""
