"""What stack, API machines and machines say to one another: standard library and `cryptography`, it runs in all."""
