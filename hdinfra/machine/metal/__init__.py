"""A Machine on a server of one's own: the same description, and what its disks and links need."""
