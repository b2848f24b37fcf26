"""The third stage: acknowledges orders to their sources, as exported or as failed."""
