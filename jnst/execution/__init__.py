"""How value and gradient are computed: whole, by rows over devices, in tiles, in batches."""
