"""From the canonical order to each receiver's form: expressions, code lists and the default mappings."""
