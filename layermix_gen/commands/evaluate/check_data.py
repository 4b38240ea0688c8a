"""`layermix-gen evaluate check-data`: the command for `layermix_gen.evaluate.check_data`."""

from typing import Any

import click

from layermix_gen.commands.explained import ExplainedCommand
from layermix_gen.commands.parameters import json_option, quiet_option
from layermix_gen.commands.showing import show, show_json
from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.suites.check_data import check_data
from layermix_gen.support.text import count

EXAMPLES = {
    "layermix-gen evaluate check-data /data": "Look at headers and counts of all suites below /data.",
    "layermix-gen evaluate check-data /data/CIFAR-10-C --deep --json": "Read every image of one suite; print JSON.",
}


@click.command("check-data", cls=ExplainedCommand, examples=EXAMPLES)
@click.argument("folder", metavar="DIR")
@click.option("--deep", is_flag=True, help="Read every image, and not only headers and counts.")
@click.option("--threads", default=0, help="Threads that decode images; 0: one for each CPU.")
@json_option
@quiet_option
def command(folder: str, as_json: bool, **options: Any) -> None:
    """Say which suites are in DIR, what they hold, and what is missing, damaged or of a wrong shape."""
    findings = check_data(folder, **options)
    problems = sum(len(finding.problems) for finding in findings)
    if as_json:
        show_json({"suites": [finding.as_dict() for finding in findings], "problems": problems})
    else:
        for finding in findings:
            show(finding.summary())
    if problems:
        raise LayerMixError(f"found {count(problems, 'problem')}; mend what is listed above before evaluating")
