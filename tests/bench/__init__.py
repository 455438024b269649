"""Benchmarks: figures with their goals, printed by `make bench`. They never fail a test run."""
