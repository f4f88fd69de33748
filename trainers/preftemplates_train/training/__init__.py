"""Training, from settings to report."""
