"""One adapter a cloud behind one protocol; only the clouds in use are imported."""
