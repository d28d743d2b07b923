"""Hardware of one's own: what stands in the racks, whether it is redundant, and what goes when a part goes."""
