"""The bundled styles, one a file; a file registers itself when it is imported."""
