"""Neural networks: arrays in, arrays out."""
