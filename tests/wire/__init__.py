"""What breaks on the wire, byte by byte, and what becomes of the order that was on its way."""
