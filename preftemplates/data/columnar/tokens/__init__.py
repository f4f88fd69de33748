"""Token ids and loss masks of whole slices, computed from the provenance of plans instead of offsets."""
