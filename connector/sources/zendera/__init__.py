"""The Zendera source."""
