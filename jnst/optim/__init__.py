"""Gradient descent on an image: one jitted step, and the loop around it."""
