"""Chat templates: rendering messages, importing, exporting, parsing and checking styles."""
