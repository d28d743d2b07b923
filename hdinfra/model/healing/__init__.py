"""When a Cluster is given up, and what is then declared: pure decisions from what was seen."""
