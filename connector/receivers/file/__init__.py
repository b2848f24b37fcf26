"""The file receiver: lines of JSON, or CSV."""
