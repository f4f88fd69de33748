"""The check of a style: what it does that people may not expect, found by rendering conversations."""
