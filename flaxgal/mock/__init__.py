"""Mock galaxies with exact truth, rendered in batches on the device."""
