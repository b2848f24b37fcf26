"""The stand-in for Zendera."""
