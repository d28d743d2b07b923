"""The management API: policy, settings and identities of one zone, on each API machine a whole one of its own."""
