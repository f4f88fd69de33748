"""Checks of many rows at once: find copies, near copies and shortcuts in columns."""
