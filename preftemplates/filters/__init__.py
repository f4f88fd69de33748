"""The bundled filters, one family a file; a file registers itself when it is imported."""
