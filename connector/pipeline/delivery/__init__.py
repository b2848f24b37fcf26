"""The second stage: maps orders and delivers them to their receivers."""
