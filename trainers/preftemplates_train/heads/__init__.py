"""Fit a linear head on a frozen model: features, penalties, and the choice of a layer."""
