"""One family of filters per file; each registers its filters when it is imported."""
