"""What a vendor lets a customer run in the customer's own network. Pure: standard library and `cryptography`."""
