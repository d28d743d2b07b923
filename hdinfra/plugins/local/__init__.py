"""The local cloud: system containers of Docker or Podman as machines."""
