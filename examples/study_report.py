"""Write the tables and plots of a study into a page: what `study.py` has found so far.

    python study_report.py RESULTS PAGE [--plots FOLDER]

RESULTS is the folder of JSON files, PAGE a Markdown file with a pair of lines for each table, `<!-- study: NAME -->`
and `<!-- end of study -->`; what is between them is written anew. docs/study.md is such a page.
"""

import argparse
import re
from pathlib import Path

from study_analysis import Results
from study_plots import draw_curves, draw_differences
from study_tables import TABLES, method_rows, part_rows, picture_rows
from training import errors_in_one_line

from layermix_gen import LayerMixError

BLOCK = re.compile(r"(<!-- study: ([\w-]+) -->\n).*?(<!-- end of study -->)", re.S)


@errors_in_one_line()
def main(arguments: list[str] | None = None) -> None:
    """Read the command line; rewrite the page's tables, draw the plots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("page", type=Path)
    parser.add_argument("--plots", type=Path, help="where the plots go")
    options = parser.parse_args(arguments)
    if options.plots and options.plots.exists() and not options.plots.is_dir():
        raise LayerMixError(f"expected a folder for the plots, found the file {options.plots}; give another --plots")
    results = Results.read(options.results)
    text = options.page.read_text()
    options.page.write_text(BLOCK.sub(lambda found: found[1] + block(results, found[2]) + found[3], text))
    if options.plots:
        options.plots.mkdir(parents=True, exist_ok=True)
        draw_curves(results, options.plots / "study-variants.png")
        draw_differences(results, method_rows(), "Methods, against none", options.plots / "study-methods.png")
        changes = [*part_rows(), *picture_rows()]
        draw_differences(results, changes, "Changes to LayerMix with eight variants", options.plots / "study-parts.png")


def block(results: Results, name: str) -> str:
    """A table of the page by its name."""
    if name not in TABLES:
        raise LayerMixError(f"expected a table of {', '.join(TABLES)}, found {name!r}; mend the page")
    return TABLES[name](results)


if __name__ == "__main__":
    main()
