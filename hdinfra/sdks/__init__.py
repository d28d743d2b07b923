"""SDKs of our own, for clouds that publish none for Python. They know Pulumi and nothing of hdinfra."""
