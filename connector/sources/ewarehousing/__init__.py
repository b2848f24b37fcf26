"""The eWarehousing source."""
