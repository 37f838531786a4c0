"""Mock galaxies with exact truth about their arms, rendered in batches on the device by JAX."""
