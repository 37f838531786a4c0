"""Images of galaxies as surveys give them: reading, writing and showing them, without JAX."""
