"""The check of a style: surprising behaviour, found by rendering conversations."""
