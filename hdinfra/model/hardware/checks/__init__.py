"""What an inventory must hold, one module a subject. Each check yields refusals and never raises."""
