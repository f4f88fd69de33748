"""Token ids with their source spans. Content cannot forge a control token."""
