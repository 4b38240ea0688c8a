"""Mixing pictures made by ourselves: fractals of several kinds, drawn from a seed, rendered without randomness."""

from layermix_gen.fractals.kinds import KINDS
from layermix_gen.fractals.measures import Measures, diversity, measure
from layermix_gen.fractals.render import VERSION, Fractal, make_fractal, render_fractal, render_record
from layermix_gen.fractals.sets import render_set
from layermix_gen.fractals.sheet import contact_sheet, write_sheet

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
