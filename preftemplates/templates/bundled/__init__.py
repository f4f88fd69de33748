"""One dataset family per file; each registers its templates when it is imported."""
