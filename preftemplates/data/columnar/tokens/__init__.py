"""Token ids and loss masks of whole slices, from the provenance of plans instead of offsets."""
