"""Why a peer holds other ids than ours, row by row: a file for each peer; what has no reason there fails the test."""
