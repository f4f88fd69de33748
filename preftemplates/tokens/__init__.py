"""Token ids with their source spans; content cannot forge a control token."""
