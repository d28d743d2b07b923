"""Figures of the product beside the machine's own baseline: `python -m bench`."""
