"""Fractals for mixing sets: several kinds, with parameters drawn from a seed and rendered without randomness."""

from layermix_gen.mixing_sets.fractals.kinds import KINDS
from layermix_gen.mixing_sets.fractals.measures import Measures, diversity, measure
from layermix_gen.mixing_sets.fractals.preview import contact_sheet, write_sheet
from layermix_gen.mixing_sets.fractals.render import VERSION, Fractal, make_fractal, render_fractal, render_record
from layermix_gen.mixing_sets.fractals.sets import render_set

__all__ = [
    "KINDS",
    "VERSION",
    "Fractal",
    "Measures",
    "contact_sheet",
    "diversity",
    "make_fractal",
    "measure",
    "render_fractal",
    "render_record",
    "render_set",
    "write_sheet",
]
