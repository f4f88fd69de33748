"""From rows to groups of token ids."""
