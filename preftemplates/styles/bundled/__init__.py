"""One chat-template family per file; each registers its styles when it is imported."""
