"""The Propeller source."""
