"""The scripted vendors: the stand-ins of `connector.sandbox`, called without a socket, and their possible faults."""
