"""`layermix-gen evaluate report`: the command for `make_report` and, with `--out`, for `write_report`."""

from pathlib import Path

import click

from layermix_gen.commands.explained import ExplainedCommand
from layermix_gen.commands.parameters import Names
from layermix_gen.commands.showing import bold, show
from layermix_gen.errors import LayerMixError, printable
from layermix_gen.evaluate.reporting.report import SUFFIXES, make_report, render, write_report
from layermix_gen.figures.file_formats import PLOTS
from layermix_gen.support.checks import as_path
from layermix_gen.support.text import as_text

EXAMPLES = {
    "layermix-gen evaluate report results/baseline results/layermix --paper III": "Compare two runs with the paper's.",
    "layermix-gen evaluate report ours=results/layermix --format markdown --out report": "Write all formats.",
}


@click.command("report", cls=ExplainedCommand, examples=EXAMPLES)
@click.argument("results", nargs=-1, required=True)
@click.option(
    "--paper",
    type=Names(),
    default=(),
    show_default=False,
    help="Show the rows of these tables of the paper, too: III, IV, V, VI, VII, VIII, IX.",
)
@click.option(
    "--format", "form", type=click.Choice(list(SUFFIXES)), default="text", help="In which format to print the report."
)
@click.option(
    "--out",
    type=click.Path(),
    help="Also write all formats, report.json and the plots to this folder; an earlier report there is replaced.",
)
@click.option(
    "--plots", type=click.Choice(list(PLOTS)), default="png", help="The format of the plots that --out writes."
)
@click.option(
    "--reference-p",
    type=click.Path(),
    help="Normalise mFP and mT5D by those of this JSON file: flip_probability and top5_distance by perturbation.",
)
def command(
    results: tuple[str, ...], paper: tuple[str, ...], form: str, out: str | None, plots: str, reference_p: str | None
) -> None:
    """Compare RESULTS, folders of `evaluate run`, side by side: errors, robustness, consistency, calibration.

    Give NAME=FOLDER to name a run otherwise than its folder. The best of comparable numbers is marked; what was
    not evaluated is shown as missing, and a mean over fewer parts than its full list says so.
    """
    report = make_report([_named(text) for text in results], paper, reference_p)
    paths = write_report(report, out, plots=plots) if out else []
    show(report.text(bold) if form == "text" else render(report, form))
    for path in paths:
        show(f"wrote {printable(as_text(path))}", err=True)


def _named(text: str) -> tuple[str, str]:
    """The name, "" where none is given, and the folder, which follows the last `=` with a folder after it."""
    if "=" not in text or Path(text).exists():
        return "", text
    splits = [(text[:i], text[i + 1 :]) for i, sign in enumerate(text) if sign == "="]
    there = [(name, folder) for name, folder in splits if folder and as_path(folder, "results").is_dir()]
    name, folder = (there or splits)[-1]
    if not (name and folder):
        raise LayerMixError(f"expected a folder of results or NAME=FOLDER, got {text!r}; give both")
    return name, folder
