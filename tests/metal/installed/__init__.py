"""What is shown of a server that our installer made."""
