"""The eWarehousing receiver."""
