"""
Measurements, each beside its baseline in the same run: `python -m tests.benchmarks`.

The baseline is a bare loop over aiohttp that makes the same calls and keeps no record of anything (bare.py). Both run
against a stand-in of the vendors in a process of its own (standin.py), in turns, and the printed figure is the share of
the bare loop that the connector reaches: figures of two machines cannot be compared, their shares can.
"""
