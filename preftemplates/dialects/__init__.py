"""The bundled dialects, one framework a file; a file registers itself when it is imported."""
