"""The client of eWarehousing Solutions' middleware."""
