"""What runs inside machines. Standard library only: Debian's python3 starts it as it lies."""
