"""Clients of systems that are a source and a receiver."""
