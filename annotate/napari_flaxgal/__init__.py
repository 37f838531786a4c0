"""flaxgal in napari: galaxies, masks and predictions as layers. Needs no particular Qt binding."""
