"""The bundled templates, one dataset family a file; a file registers itself when it is imported."""
