"""Real processes between real sockets over a real journal: killed, stopped, cancelled, and started again."""
