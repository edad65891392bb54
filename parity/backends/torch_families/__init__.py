"""Where each architecture's PyTorch classes hand on what a tap names, and how they are called."""
