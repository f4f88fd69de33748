"""The columnar path: a plan, made of a template and a style, formats whole columns at once."""
