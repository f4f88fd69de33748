"""Output formats: tables of the keys and layouts that frameworks expect."""
