"""Executors: the reference's operations on NumPy and TensorFlow, and the walk over its stages."""
