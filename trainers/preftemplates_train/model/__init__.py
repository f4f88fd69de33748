"""Load, check and save a classifier."""
