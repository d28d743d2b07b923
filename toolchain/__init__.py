"""Gets what a checkout needs beside its locked environment: the Pulumi engine and a container engine."""
