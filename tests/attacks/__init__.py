"""The security list: attempts of an attacker or a broken vendor, and the properties that withstand them."""
