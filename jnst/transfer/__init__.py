"""Style transfer: what can be set, and the run from coarse to fine."""
