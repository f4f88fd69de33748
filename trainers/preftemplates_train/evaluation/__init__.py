"""Metrics, benchmarks, and a checkpoint that scores rows."""
