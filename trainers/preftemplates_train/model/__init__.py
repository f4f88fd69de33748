"""Load, cut, check and save a classifier, and the losses on its rewards."""
