"""From labelled galaxies to the batches that a model trains on."""
