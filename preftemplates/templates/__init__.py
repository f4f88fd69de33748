"""Dataset templates: from a row to samples, texts and results."""
