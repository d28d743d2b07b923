"""What a Machine does: one module an App, each from a MachinePlan to a Machine."""
