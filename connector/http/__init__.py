"""Calls to endpoints: time limits, rate limits, circuit breakers, tokens, TLS, and the meaning of failures."""
