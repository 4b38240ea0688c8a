"""`layermix-gen evaluate run`: the command for `layermix_gen.evaluate.run`."""

from typing import Any

import click
from click.core import ParameterSource

from layermix_gen.commands.explained import ExplainedCommand, how_it_runs, options_of
from layermix_gen.commands.options.model_options import model_is, model_options
from layermix_gen.commands.parameters import Assignment, Fraction, Names, quiet_option
from layermix_gen.commands.showing import bold, show
from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.benchmarks import PGD
from layermix_gen.evaluate.preprocessing import PREPROCESSINGS
from layermix_gen.evaluate.results.signature import CHECKPOINT_RULES
from layermix_gen.evaluate.running.run_options import PRECISIONS, Attack, Forward
from layermix_gen.evaluate.running.tasks import CHOICES
from layermix_gen.evaluate.suites import SuiteOptions
from layermix_gen.evaluate.suites.suite_folders import DATASETS, ROLES

ATTACK, FORWARD, SUITES_AS = Attack(), Forward(), SuiteOptions()
ATTACKS = ("pgd", "epsilon", "steps", "step_size", "restarts")  # options for the suite pgd only
HALVES = [name for name, dtype in PRECISIONS.items() if dtype]


EXAMPLES = {
    "layermix-gen evaluate run --model 'models.py:make_model(wrn-40-4, 100)' --checkpoint run/checkpoint.pt "
    "--data cifar100=/data --out results": "Measure a checkpoint of examples/train_cifar.py on all suites in /data.",
    "layermix-gen evaluate run --model timm:resnet50.a1_in1k --data imagenet=/data --suites clean,c --out r50": (
        "Measure a model of timm on two suites."
    ),
}
measured_on = options_of("What it is measured on")
attacked = options_of("How it is attacked, in the suite pgd")


@click.command("run", cls=ExplainedCommand, examples=EXAMPLES)
@model_options
@model_is(
    "--checkpoint-rule",
    type=click.Choice(CHECKPOINT_RULES),
    default="unknown",
    help="Which epoch the checkpoint is of: the last one, or the one that was best on the test set.",
)
@measured_on(
    "--data",
    type=Assignment(),
    multiple=True,
    metavar="NAME=DIR",
    help=f"A folder of published suites ({', '.join(DATASETS)}), or the folder of one suite ({', '.join(ROLES)}).",
)
@measured_on(
    "--suites",
    type=Names(),
    default=(),
    show_default=False,
    help=f"Suites, out of {', '.join(CHOICES)}; default: all that have data, except pgd.",
)
@measured_on(
    "--dataset",
    default="",
    show_default=False,
    help="What reports call the data, as in cifar100; default: what --data calls them.",
)
@measured_on(
    "--preprocessing",
    type=click.Choice(list(PREPROCESSINGS)),
    default=SUITES_AS.preprocessing,
    help="How images of ImageNet-C, C-bar and P are cropped; validation images are always resized, unless this is "
    "none.",
)
@measured_on("--extras", is_flag=True, help="Evaluate the extra corruptions too, which are in no mean.")
@attacked("--pgd", type=Names(), default=PGD[:1], help=f"Forms of the attack, out of {', '.join(PGD)}.")
@attacked("--epsilon", type=Fraction(), default="2/255", help="How far a pixel in [0, 1] may be changed.")
@attacked("--steps", default=ATTACK.steps, help="How many steps the attack takes.")
@attacked("--step-size", type=Fraction(), default="0.5/255", help="How far a step changes a pixel in [0, 1].")
@attacked("--restarts", default=ATTACK.restarts, help="How many random starts the attack has.")
@how_it_runs("--out", required=True, type=click.Path(), help="Folder of the results; the same command goes on with it.")
@how_it_runs("--device", default=FORWARD.device, help="Where the model runs, such as cpu, cuda or cuda:1.")
@how_it_runs("--batch-size", default=FORWARD.batch_size, help="How many images the model gets at a time.")
@how_it_runs("--amp", type=click.Choice(HALVES), help="Run in mixed precision; an attack's gradients stay in float32.")
@how_it_runs(
    "--temperature",
    default=FORWARD.temperature,
    help="Divide logits by it before confidences are taken; evaluate temperature finds it.",
)
@how_it_runs("--threads", default=SUITES_AS.threads, help="Threads that decode images; 0: one for each CPU.")
@how_it_runs("--seed", default=ATTACK.seed, help="Seed of the random starts, and of weights that no checkpoint sets.")
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
    from layermix_gen.evaluate.reporting.report import make_report
    from layermix_gen.evaluate.running.runs import run  # imported here, as torch takes 1.5 s, and --help needs none

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
    options["precision"] = options.pop("amp") or FORWARD.precision
    forward = Forward(**{name: options.pop(name) for name in ("device", "batch_size", "precision", "temperature")})
    run(model, folders, out, suites, attack=attack, suite_options=suite_options, forward=forward, **options)
    show(make_report([out]).text(bold))
