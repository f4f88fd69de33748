"""Checks of many rows at once: copies, near copies and shortcuts, found in columns."""
