"""Failover between sites: what a user declares, what of it is refused, and how long a switch takes at worst."""
