"""Sandboxed Jinja that tracks where text comes from and enforces limits; it knows neither chats nor rows."""
