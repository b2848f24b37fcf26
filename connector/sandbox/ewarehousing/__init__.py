"""The stand-in for eWarehousing."""
