"""Pulumi components: they declare a Plan and decide nothing."""
