"""Dataset templates: from rows to samples, texts and results."""
