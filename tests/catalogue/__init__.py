"""The fault catalogue: numbered faults, and the tests that show the rule that holds under each."""
