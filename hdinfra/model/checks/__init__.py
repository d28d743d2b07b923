"""What a spec must hold by itself, one module a part of the spec; each returns all refusals of its part."""
