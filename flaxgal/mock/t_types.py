"""What T-type a mock galaxy has: the later, the less of its light is in its bulge. (NumPy)"""

import numpy as np
from jaxtyping import Float64, Num

__all__ = ["bulge_share_of_t_type", "mock_t_types"]

_RANGES = ((-5.0, -5.0), (-3.0, 0.0), (1.0, 9.0))
"""T-types of E, S0 and Sp, as `flaxgal.survey.schemas` tells them apart."""


def bulge_share_of_t_type(t_type: Num[np.ndarray, "*n"]) -> Float64[np.ndarray, "*n"]:
    """The bulge's mean share of the light (B band) of real galaxies of a T-type, -5 to 10.

    With x = T + 5, the bulge is 0.324 x - 0.054 x² + 0.0047 x³ magnitudes fainter than the galaxy (Simien &
    de Vaucouleurs 1986, ApJ 302, 564).
    """
    x = t_type + 5.0
    return np.asarray(10 ** (-0.4 * (0.324 * x - 0.054 * x**2 + 0.0047 * x**3)))


def mock_t_types(kind: Num[np.ndarray, " n"], bulge_share: Num[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """The whole T-type whose mean bulge is nearest to each mock's, among those of its kind (0 E, 1 S0, 2 Sp).

    A real galaxy's T-type goes by its arms as well; those of mocks do not know of it.
    """
    steps = np.linspace(-5.0, 10.0, 1501)
    # Shares fall all the way, and np.interp wants them rising.
    like = np.interp(-np.log(bulge_share), -np.log(bulge_share_of_t_type(steps)), steps)
    low, high = np.array(_RANGES)[kind].T
    return np.clip(np.rint(like), low, high)
