"""The tables of a study's page by name: means over the seeds of each condition, and how they differ from another's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from scipy.stats import rankdata
from study_analysis import METRICS, Difference, Results

from layermix_gen.evaluate.reporting.paper import paper_tables

METHODS = ("none", "cutout", "mixup", "autoaugment", "augmix", "pixmix", "ipmix", "layermix")
NUMBERS = (1, 2, 4, 8, 16)
WEIGHTS = (3,)  # of the Jensen-Shannon loss, where it is not 12
RANKED = (  # the metric here, the column of the paper's table III, and its title
    ("c_error", "c_error", "C"),
    ("p_flips", "p_flips", "mFP"),
    ("pgd_error", "pgd_released_error", "PGD"),
    ("c_rms", "calibration_rms", "RMS C"),
)
FRACTALS = ("escape", "flame", "fold", "ifs", "lyapunov", "newton", "noise")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: a condition, and the one that it is compared with."""

    label: str
    condition: str
    reference: str | None = None

    def difference(self, results: Results, metric: str) -> Difference | None:
        """By how much the condition is above its reference; None where it has none, or one of them has no results."""
        return results.difference(self.condition, self.reference, metric) if self.reference else None


def compared(results: Results, rows: Sequence[Row]) -> str:
    """A table of conditions: means over seeds, and in brackets the difference to a condition, bold if beyond noise.

    Rows without results are left out and named below.
    """
    there = [row for row in rows if row.condition in results.found]
    if not there:
        return "Not run yet.\n"
    lines = [f"|  | seeds | {' | '.join(METRICS.values())} |", "|---|---|" + "---:|" * len(METRICS)]
    for row in there:
        cells = " | ".join(cell(results, row, metric) for metric in METRICS)
        lines.append(f"| {row.label} | {len(results.found[row.condition])} | {cells} |")
    limits = [max((limit(results, row, metric) for row in there), default=0.0) for metric in METRICS]
    lines.append(f"| smaller may be chance |  | {' | '.join(map(shown, limits))} |")
    floors = [floor(results, [row.condition for row in there], metric) for metric in METRICS]
    lines.append(f"| of perfect calibration |  | {' | '.join(floors)} |")
    if missing := [row.label for row in rows if row not in there]:
        lines += ["", f"Not run yet: {', '.join(missing)}."]
    return "\n".join(lines) + "\n"


def against(reference: str, rows: Sequence[tuple[str, str]]) -> list[Row]:
    """Rows, as pairs of label and condition, that are all compared with one of the conditions."""
    return [Row(label, condition, reference if condition != reference else None) for label, condition in rows]


def cell(results: Results, row: Row, metric: str) -> str:
    """A mean, and how far it is from the reference's."""
    mean = results.mean(row.condition, metric)
    if mean is None:
        return "-"
    if not (difference := row.difference(results, metric)):
        return shown(mean)
    text = f"({round(difference.value, 2) + 0.0:+.2f})"  # and no -0.00
    return f"{shown(mean)} {f'**{text}**' if difference.is_clear else text}"


def limit(results: Results, row: Row, metric: str) -> float:
    """The half width of the interval of a row's difference; 0 where it has none."""
    difference = row.difference(results, metric)
    return difference.half_width if difference else 0.0


def floor(results: Results, conditions: Sequence[str], metric: str) -> str:
    """What perfectly calibrated networks with the same confidences would have as RMS; empty for other metrics."""
    means = [mean for name in conditions if (mean := results.mean(name, f"{metric}_floor")) is not None]
    return shown(sum(means) / len(means)) if means else ""


def shown(value: float) -> str:
    """A number of a table; `-` where it is not known."""
    return f"{value:.2f}" if value > 0 else "-"


def pilot(results: Results) -> str:
    """The networks that were tried on images held out of the training set."""
    shown_metrics = {"clean_error": "clean", "c_error": "C"}
    lines = [f"| network | epochs | {' | '.join(shown_metrics.values())} |", "|---|---:|---:|---:|"]
    for name, run in runs_of(results, "pilot"):
        cells = [shown(results.mean(name, metric) or 0) for metric in shown_metrics]
        lines.append(f"| `{run['network']}` | {run['epochs']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def speed(results: Results) -> str:
    """How long an epoch takes with each of several networks, and how many times the first one's."""
    lines, first = ["| network | seconds an epoch | to the first |", "|---|---:|---:|"], 0.0
    for name, run in runs_of(results, "speed"):
        if not (train := results.cost(name).get("train")):  # not known of a training that was stopped
            continue
        seconds = train / run["epochs"]
        first = first or seconds
        lines.append(f"| `{run['network']}` | {seconds:.0f} | {seconds / first:.1f} |")
    return "\n".join(lines) + "\n"


def runs_of(results: Results, group: str) -> list[tuple[str, Mapping[str, Any]]]:
    """The conditions of a group by name, each with the facts of its first run."""
    firsts = {name: next(iter(runs.values()))["run"] for name, runs in results.found.items()}
    return [(name, run) for name, run in firsts.items() if run.get("group") == group]


def methods(results: Results) -> str:
    """(a): the methods, as many variants as epochs, against no mixing."""
    return compared(results, method_rows())


def method_rows() -> list[Row]:
    """The methods, against none."""
    return against("none", [(f"`{name}`", name) for name in METHODS])


def rivals(results: Results) -> str:
    """(a): the methods against LayerMix."""
    return compared(results, against("layermix", [(f"`{name}`", name) for name in METHODS if name != "none"]))


def spread(results: Results) -> str:
    """(a) and (b): the standard deviations over the seeds; last, that of what neither condition nor seed explains."""
    lines = [f"|  | seeds | {' | '.join(METRICS.values())} |", "|---|---|" + "---:|" * len(METRICS)]
    for name, _ in sorted(runs_of(results, "a") + runs_of(results, "b"), key=itemgetter(0)):
        cells = [results.deviation(name, metric) for metric in METRICS]
        texts = " | ".join("-" if one is None else shown(one) for one in cells)
        lines.append(f"| `{name}` | {len(results.found[name])} | {texts} |")
    noise = " | ".join(shown(results.noise(metric)[0]) for metric in METRICS)
    lines.append(f"| of all runs together |  | {noise} |")
    return "\n".join(lines) + "\n"


def ranks(results: Results) -> str:
    """(a): ranks among these methods here, as far as noise allows, and in the paper's table III."""
    names = [name for name in METHODS if name in results.found]
    [table] = [one for one in paper_tables(["III"]) if one.dataset == "cifar10"]
    paper = {("none" if name == "Baseline" else name.lower()): row for name, row in table.rows.items()}
    lines = [f"|  | {' | '.join(title for _, _, title in RANKED)} |", "|---|" + "---:|" * len(RANKED)]
    columns = []
    for ours, theirs, _ in RANKED:
        published = rankdata([paper[name][theirs] for name in names], method="min")
        columns.append((results.ranks(names, ours), dict(zip(names, published.astype(int), strict=True))))
    for name in names:
        cells = [f"{span(here.get(name))} ({there[name]})" for here, there in columns]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def span(ranks: tuple[int, int] | None) -> str:
    """Between which ranks a condition is."""
    if ranks is None:
        return "-"
    low, high = ranks
    return f"{low}" if low == high else f"{low} to {high}"


def variants(results: Results) -> str:
    """(b): the numbers of variants, each with a view of its own."""
    rows = [(f"V = {number}", f"layermix-v{number}") for number in NUMBERS]
    return compared(results, against("layermix", [*rows, ("V = 20: online", "layermix")]))


def shared(results: Results) -> str:
    """(b): the numbers of variants with one view for all, each compared with as many that have views of their own."""
    rows = [Row(f"V = {number}", f"layermix-shared-v{number}", f"layermix-v{number}") for number in NUMBERS]
    return compared(results, [*rows, Row("V = 20", "layermix-shared", "layermix")])


def longer(results: Results) -> str:
    """(b): some numbers of variants in twice as many epochs."""
    rows = [(f"V = {number}", f"layermix-long-v{number}") for number in (4, 8, 20)]
    return compared(results, against("layermix-long", [*rows, ("V = 40: online", "layermix-long")]))


def costs(results: Results) -> str:
    """(b): what variants cost. Building is counted on one thread, as the part of the dataset with all of them."""
    lines = ["| V | GB | seconds to build |", "|---:|---:|---:|"]
    whole = results.cost("layermix").get("build", float("nan")) if "layermix" in results.found else float("nan")
    for number in (*NUMBERS, 20):
        name = "layermix" if number == 20 else f"layermix-v{number}"
        if name in results.found:
            lines.append(f"| {number} | {results.cost(name)['GB']:.2f} | {whole * number / 20:.0f} |")
    return "\n".join(lines) + "\n"


def jsd(results: Results) -> str:
    """(c): the Jensen-Shannon loss, each method compared with its cross-entropy loss, with the same views."""
    return compared(results, jsd_rows())


def rescaled(results: Results, rows: Sequence[Row]) -> str:
    """Calibration on the same images before and after temperature scaling, of the runs where that was measured."""
    titles = {"temperature": "T", "part_clean_rms": "RMS clean", "rescaled_clean_rms": "RMS clean, rescaled"}
    titles |= {"c_rms": "RMS C", "rescaled_c_rms": "RMS C, rescaled"}
    lines = [f"|  | seeds | {' | '.join(titles.values())} |", "|---|---|" + "---:|" * len(titles)]
    for row in rows:
        if seeds := results.values(row.condition, "temperature").keys():
            values = ([results.values(row.condition, name).get(seed, 0) for seed in seeds] for name in titles)
            lines.append(f"| {row.label} | {len(seeds)} | {' | '.join(shown(sum(one) / len(one)) for one in values)} |")
    return "\n".join(lines if len(lines) > 2 else ["Not run yet."]) + "\n"


def rescaled_methods(results: Results) -> str:
    """(a): the calibration of the methods after temperature scaling."""
    return rescaled(results, [Row(f"`{name}`", name) for name in METHODS])


def rescaled_jsd(results: Results) -> str:
    """(c): the calibration with the Jensen-Shannon loss and without it, after temperature scaling."""
    return rescaled(results, jsd_rows())


def jsd_rows() -> list[Row]:
    """The methods with shared views, without the Jensen-Shannon loss and with it."""
    rows = []
    for name in ("layermix", "augmix", "pixmix", "ipmix"):
        rows += [Row(f"`{name}`", f"{name}-shared"), Row(f"`{name}` with JSD", f"{name}-jsd", f"{name}-shared")]
        if name == "layermix":
            rows += [
                Row(f"`layermix` with JSD of weight {w}", f"layermix-jsd-w{w}", "layermix-shared") for w in WEIGHTS
            ]
            rows.append(Row("`layermix`, V = 4", "layermix-shared-v4"))
            rows.append(Row("`layermix`, V = 4, with JSD", "layermix-jsd-v4", "layermix-shared-v4"))
    return rows


def parts(results: Results) -> str:
    """(d): what LayerMix is made of."""
    return compared(results, part_rows())


def part_rows() -> list[Row]:
    """LayerMix without one of its parts, against the whole."""
    rows = [("`layermix`", "layermix-v8"), ("`--covariance independent`", "layermix-independent")]
    rows += [(f"without the blend `{name}`", f"layermix-no-{name}") for name in ("add", "multiply", "pixel", "element")]
    return against("layermix-v8", rows)


def pictures(results: Results) -> str:
    """(e): what is mixed in."""
    return compared(results, picture_rows())


def picture_rows() -> list[Row]:
    """Other mixing sets, against that of a build."""
    rows = [("384 fractals of all kinds", "layermix-v8"), ("4,000 fractals of all kinds", "pictures-many")]
    rows.append(("250 photographs, gray", "pictures-photographs"))
    rows += [(f"384 `{name}`", f"pictures-{name}") for name in FRACTALS]
    return against("layermix-v8", rows)


def storage(results: Results) -> str:
    """(f): how samples are stored."""
    rows = [("PNG", "layermix-v8")]
    rows += [(f"JPEG {q}, 4:{s[1]}:{s[2]}", f"jpg-{q}-{s}") for q, s in ((95, "444"), (95, "420"), (85, "420"))]
    return compared(results, against("layermix-v8", rows))


TABLES: dict[str, Callable[[Results], str]] = {
    "pilot": pilot,
    "speed": speed,
    "methods": methods,
    "rivals": rivals,
    "spread": spread,
    "ranks": ranks,
    "variants": variants,
    "shared": shared,
    "longer": longer,
    "costs": costs,
    "jsd": jsd,
    "rescaled": rescaled_jsd,
    "rescaled-methods": rescaled_methods,
    "parts": parts,
    "pictures": pictures,
    "storage": storage,
}
