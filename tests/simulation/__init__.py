"""The deterministic simulation: the real flow and journal, in virtual time, against a world at its worst."""
