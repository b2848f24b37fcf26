"""The stand-in for Propeller."""
