"""The security list: what an attacker, or a broken vendor, may try, and what then holds."""
