"""The losses, one idea a file, and their weighted sum."""
