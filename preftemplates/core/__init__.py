"""Shared types, and how definitions are registered, frozen, hashed and pickled."""
