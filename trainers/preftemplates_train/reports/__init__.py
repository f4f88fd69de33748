"""The texts about a run: the report, the model card and the preview."""
