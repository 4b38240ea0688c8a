"""`layermix-gen evaluate run`: the command for `layermix_gen.evaluate.run`."""

from typing import Any

import click
from click.core import ParameterSource

from layermix_gen.commands.parameters import Assignment, Fraction, Fractions, Names, quiet_option
from layermix_gen.commands.showing import bold, show
from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.benchmarks import PGD
from layermix_gen.evaluate.preprocessing import PREPROCESSINGS
from layermix_gen.evaluate.reporting.report import make_report
from layermix_gen.evaluate.results.signature import CHECKPOINT_RULES
from layermix_gen.evaluate.running.pgd import Attack
from layermix_gen.evaluate.running.predicting import PRECISIONS, Forward
from layermix_gen.evaluate.running.runs import run
from layermix_gen.evaluate.running.tasks import CHOICES
from layermix_gen.evaluate.suites import SuiteOptions
from layermix_gen.evaluate.suites.suite_folders import DATASETS, ROLES

ATTACK, FORWARD, SUITES_AS = Attack(), Forward(), SuiteOptions()
ATTACKS = ("pgd", "epsilon", "steps", "step_size", "restarts")  # options for the suite pgd only
TRAINED = "as the checkpoint or timm tells"
HALVES = [name for name, dtype in PRECISIONS.items() if dtype]


@click.command("run")
@click.option(
    "--model",
    default="",
    help="PATH.py:function, PATH.py:function(ARGUMENTS), timm:NAME or PATH.pt2 (of torch.export); default: the "
    "checkpoint's, of timm.",
)
@click.option(
    "--data",
    type=Assignment(),
    multiple=True,
    metavar="NAME=DIR",
    help=f"A folder of published suites ({', '.join(DATASETS)}), or the folder of one suite ({', '.join(ROLES)}).",
)
@click.option("--dataset", default="", help="What reports call the data, as in cifar100; default: by --data.")
@click.option("--out", required=True, type=click.Path(), help="Folder of the results.")
@click.option(
    "--suites",
    type=Names(),
    default=(),
    show_default=False,
    help=f"Out of {', '.join(CHOICES)}; default: all there are data for, but pgd.",
)
@click.option("--checkpoint", type=click.Path(), help="Weights, as torch.save writes a state_dict.")
@click.option(
    "--checkpoint-rule",
    type=click.Choice(CHECKPOINT_RULES),
    default="unknown",
    help="Which epoch it is: the last, or the one best on the test set.",
)
@click.option("--mean", type=Fractions(), help=f"Of the pixels in [0, 1], as in training; default: {TRAINED}.")
@click.option("--std", type=Fractions(), help=f"Of the pixels in [0, 1], as in training; default: {TRAINED}.")
@click.option(
    "--preprocessing",
    type=click.Choice(list(PREPROCESSINGS)),
    default=SUITES_AS.preprocessing,
    help="Of ImageNet-C, C-bar and P; validation images are always resized, unless this is none.",
)
@click.option("--extras", is_flag=True, help="Evaluate the extra corruptions too, which are in no mean.")
@click.option("--threads", default=SUITES_AS.threads, help="That decode images; 0: one for each CPU.")
@click.option("--device", default=FORWARD.device, help="Such as cpu, cuda or cuda:1.")
@click.option("--batch-size", default=FORWARD.batch_size, help="Images at a time.")
@click.option("--amp", type=click.Choice(HALVES), help="Mixed precision; an attack's gradients stay in float32.")
@click.option("--pgd", type=Names(), default=PGD[:1], help=f"Forms of the attack, out of {', '.join(PGD)}.")
@click.option("--epsilon", type=Fraction(), default="2/255", help="Of the attack, for pixels in [0, 1].")
@click.option("--steps", default=ATTACK.steps, help="Of the attack.")
@click.option("--step-size", type=Fraction(), default="0.5/255", help="Of the attack.")
@click.option("--restarts", default=ATTACK.restarts, help="Random starts of the attack.")
@click.option("--seed", default=ATTACK.seed, help="Of the random starts, and of weights that no checkpoint sets.")
@quiet_option
@click.pass_context
def command(
    context: click.Context,
    /,
    model: str,
    data: tuple[tuple[str, str], ...],
    out: str,
    suites: tuple[str, ...],
    **options: Any,
) -> None:
    """Run a model over suites, save its predictions in a folder, and print the metrics.

    The same command continues where an earlier one was stopped.
    """
    folders = dict(data)
    if len(folders) < len(data):
        twice = next(name for name in folders if [one for one, _ in data].count(name) > 1)
        raise LayerMixError(f"expected one --data {twice}=DIR, got several; name each folder once")
    given = [one for one in ATTACKS if context.get_parameter_source(one) is ParameterSource.COMMANDLINE]
    if given and "pgd" not in suites:
        option = given[0].replace("_", "-")
        raise LayerMixError(f"expected pgd among the suites for --{option}; add it to --suites, or leave that out")
    options["pgd"] = options["pgd"] if "pgd" in suites else ()
    attack = Attack(**{name: options.pop(name) for name in ("epsilon", "steps", "step_size", "restarts", "seed")})
    suite_options = SuiteOptions(**{name: options.pop(name) for name in ("preprocessing", "extras", "threads")})
    forward = Forward(options.pop("device"), options.pop("batch_size"), options.pop("amp") or FORWARD.precision)
    run(model, folders, out, suites, attack=attack, suite_options=suite_options, forward=forward, **options)
    show(make_report([out]).text(bold))
