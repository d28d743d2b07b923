"""Pure decisions: a spec and what is held go in, a complete plan or all refusals come out. No Pulumi here."""
