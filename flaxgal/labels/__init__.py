"""What people say about a galaxy: mask revisions in an append-only store, without JAX."""
