"""The flow of orders: a package for each stage, and beside them what drives and serves the stages."""
