"""What a mask says about its galaxy: light, geometry, arms; without JAX, whoever made the mask."""
