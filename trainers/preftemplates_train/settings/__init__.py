"""The settings of a run: defaults, a preset, a file and flags."""
