"""One framework per file; each registers its dialects when it is imported."""
