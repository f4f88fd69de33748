"""Output formats: the keys and layouts that frameworks expect, as tables."""
