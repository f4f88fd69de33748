"""Engines: libraries that encode texts, each used only where its ids equal those of the default engine."""
