"""Chat templates: render messages, import, export, parse back, lint."""
