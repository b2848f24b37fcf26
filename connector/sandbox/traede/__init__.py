"""The stand-in for Traede."""
