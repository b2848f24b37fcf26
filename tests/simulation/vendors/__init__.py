"""The scripted vendors: the stand-ins of `connector.sandbox`, asked without a socket, and what they may do wrong."""
