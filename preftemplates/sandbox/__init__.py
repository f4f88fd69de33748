"""Sandboxed Jinja that tracks where text comes from and enforces limits; it depends on neither chats nor rows."""
