"""The statements of the journal: a module for each table."""
