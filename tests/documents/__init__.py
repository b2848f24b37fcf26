"""The documents: README.md, CONTRIBUTING.md and docs/ are held to the program."""
