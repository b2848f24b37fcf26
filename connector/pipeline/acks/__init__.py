"""The third stage: tells sources which of their orders were exported, or failed."""
