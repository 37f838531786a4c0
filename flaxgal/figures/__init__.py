"""Every figure the project draws. Arrays and tables come in, a matplotlib `Figure` goes out; `save` writes it whole."""

from flaxgal.figures.curves import learning_curves, ratio_scatter
from flaxgal.figures.drawing import save
from flaxgal.figures.galaxies import arms_found, from_best_to_worst, prediction_panels

__all__ = ["arms_found", "from_best_to_worst", "learning_curves", "prediction_panels", "ratio_scatter", "save"]
