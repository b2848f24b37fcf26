"""The fault catalogue: what can go wrong, numbered, and the tests that show what then holds."""
