"""A Zone as a map: what stands where, who answers whom, and what of it is well."""
