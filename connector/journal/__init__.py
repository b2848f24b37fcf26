"""The record of every order's journey (see `base`), in SQLite."""
