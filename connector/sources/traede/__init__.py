"""The Traede sources: orders and production orders."""
