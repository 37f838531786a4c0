"""A labelled galaxy made to look as another survey would have seen it: its image, and what somebody said about it."""

import dataclasses
from typing import Any

import numpy as np

from flaxgal.labels.revisions import Revision
from flaxgal.survey.cutout import Cutout
from flaxgal.survey.homogenise import homogenise
from flaxgal.survey.looks import Look

__all__ = ["homogenise_labelled"]


def homogenise_labelled(cutout: Cutout, revision: Revision, look: Look, **options: Any) -> tuple[Cutout, Revision]:
    """The galaxy in the look of a survey, and the marks on it as shares of the new pixels, by the same person.

    The new revision fits the new cutout only; its `parent` is the old one, its details say which look it is in.

    Parameters
    ----------
    options
        Passed on to `flaxgal.survey.homogenise.homogenise`: source, shrink, image_size, seed …

    Raises
    ------
    ValueError
        If the marks were made on other pixels than the cutout's, or `homogenise` refuses the galaxy.
    """
    if revision.cutout_sha256 != cutout.sha256:
        raise ValueError(
            f"{cutout.object_id}: the mask was drawn on other pixels than these; give the cutout that it was drawn on"
        )
    marks = np.where(revision.weight() > 0, revision.target(revision.classes), np.nan).astype(np.float32)
    found = homogenise(cutout, look, fraction=marks, **options)
    seen = dataclasses.replace(
        revision,
        mask=None,
        fraction=found.fraction,
        cutout_sha256=found.cutout.sha256,
        origin="imported",
        source=f"homogenised to {look.name}",
        parent=revision.revision_id,
        revision_id="",
        details={**revision.details, "look": look.name, "shrink": options.get("shrink", 1.0)},
    )
    return found.cutout, seen
