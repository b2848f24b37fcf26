"""The fourth stage: follows delivered orders and reports their progress to their sources."""
