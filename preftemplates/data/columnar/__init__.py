"""The columnar path: a template and a style become a plan, by which whole columns are formatted at once."""
