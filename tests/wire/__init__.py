"""Failures on the wire, byte by byte, and their effect on the order that was being sent."""
