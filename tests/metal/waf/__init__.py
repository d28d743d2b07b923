"""What is shown on a WAF machine that is a guest."""
