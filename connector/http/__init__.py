"""Calls to one endpoint: time limits, rate limit, circuit breaker, token, TLS, and what a failure means."""
