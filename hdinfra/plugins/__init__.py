"""Provider plugins of our own. They stand alone: nothing here imports the rest of hdinfra."""
