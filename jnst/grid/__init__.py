"""Grids of runs: their axes, their folder, their sheets."""
