"""What may be wrong with a measurement, as named bits, so that no number looks better than it is."""

from __future__ import annotations

from enum import IntFlag

__all__ = ["FLAG_MEANINGS", "Flag", "flag_names"]


class Flag(IntFlag):
    """Bits of the catalogue's column `flags`. Values are fixed for ever; new flags get new bits."""

    NO_VARIANCE = 1
    NO_ARMS = 2
    MASK_EVERYTHING = 4
    MASK_TOUCHES_EDGE = 8
    MASK_OUTSIDE_GALAXY = 16
    SATURATED = 32
    MISSING_PIXELS = 64
    MISSING_BAND = 128
    PICTURE = 256
    SKY_UNCERTAIN = 512
    NO_GALAXY = 1024
    FAINT = 2048
    NEGATIVE_LIGHT = 4096
    OFF_CENTRE = 8192
    CUT_BY_EDGE = 16384
    CROWDED = 32768
    TINY_MASK = 65536
    GROWING = 131072
    EDGE_ON = 262144
    NO_INTERARM = 524288
    NO_BULGE_FIT = 1048576
    NOT_PSF_MATCHED = 2097152
    MASK_UNCERTAIN = 4194304
    WINDING_UNCERTAIN = 8388608
    GALAXY_UNCERTAIN = 16777216
    BRIGHT_KNOT = 33554432


FLAG_MEANINGS = {
    Flag.NO_VARIANCE: "a band has no variance, or none for over 3 % of the galaxy: its errors are left empty",
    Flag.NO_ARMS: "the arm mask is empty: the ratio is 0 by definition, without errors: nothing tells what was missed",
    Flag.MASK_EVERYTHING: "the arm mask covers nearly all of the galaxy: the ratio says nothing",
    Flag.MASK_TOUCHES_EDGE: "the arm mask touches the edge of the image: arms may go on outside",
    Flag.MASK_OUTSIDE_GALAXY: "more than a tenth of the arm mask lies outside the galaxy's aperture and is not counted",
    Flag.SATURATED: "saturated pixels in the galaxy, or a core cut off at one number: their light is a guess",
    Flag.MISSING_PIXELS: "more than 2 % of the galaxy's aperture has no data in a band and was filled in",
    Flag.MISSING_BAND: "a band sees no sky, not the galaxy's centre, or only about half of its aperture: no numbers",
    Flag.PICTURE: "an 8-bit picture: no linear flux, only the gamma-2.2 estimate",
    Flag.SKY_UNCERTAIN: "the sky's error alone makes the total light uncertain by more than 5 % in a band",
    Flag.NO_GALAXY: "no galaxy was found, or none that can be told to be the one: nothing is measured",
    Flag.FAINT: "total light below 10 times its error in a band",
    Flag.NEGATIVE_LIGHT: "total light of a band is zero or negative: the band has no ratio",
    Flag.OFF_CENTRE: "the galaxy is over a quarter of the image's side off its centre, or nothing reaches that centre",
    Flag.CUT_BY_EDGE: "the Petrosian radius reaches the edge of the image: light is counted only inside the image",
    Flag.CROWDED: "other objects cover more than a quarter of the galaxy's aperture",
    Flag.TINY_MASK: "the arm mask has fewer than 5 pixels",
    Flag.GROWING: "the curve of growth still rises at the aperture's edge: the total misses light, or counts another's",
    Flag.EDGE_ON: "the galaxy is seen within about 10 degrees of edge-on: arms lie behind each other",
    Flag.NO_INTERARM: "no disc is seen between the arms in a band: neither contrast nor excess",
    Flag.NO_BULGE_FIT: "no disc could be fitted below the bulge in a band: no ratio of arms to disc",
    Flag.NOT_PSF_MATCHED: "the PSF of a band is missing, or could not be matched: colours are of unlike seeing",
    Flag.MASK_UNCERTAIN: "the mask says little: its own error is above ratio * (1 - ratio) in a band",
    Flag.WINDING_UNCERTAIN: "the arm mask does not say which way it winds: no chirality and no pitch angles",
    Flag.BRIGHT_KNOT: "compact sources in the arm mask, stars or knots of young stars, hold over 2.5 % of its light",
    Flag.GALAXY_UNCERTAIN: "either of two objects may be the galaxy, and none stands out at the image's centre",
}
"""One sentence for each flag; kept in the catalogue's metadata."""


def flag_names(flags: int) -> str:
    """The names of the bits that are set, in lower case, joined by spaces; empty when all is well."""
    return " ".join(str(flag.name).lower() for flag in Flag if flags & flag)
