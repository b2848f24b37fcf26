"""Reading the journal across tables, for commands, health and metrics."""
