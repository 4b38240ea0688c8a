"""What a GPU waits for, and whether all that runs on one does what it does on the CPU.

    python benchmarks/gpu.py DATA OUT [--device cuda] [--minutes 8] [--networks wrn-16-2,wrn-40-4,wrn-28-10]

Builds a clean plane and four LayerMix variants of DATA (CIFAR-10, or anything of up to 64 px that `build` reads), and
four other crops that are not mixed, then

1. compares batches copied to the device, `in_memory`, fresh variants rendered there, `normalize` in bfloat16, the
   attack, and predictions, also with mixed precision, with the same on the CPU;
2. measures how many recipes of LayerMix per second are rendered on the device, and by the kernels in one thread;
3. measures for each network how many images per second it could learn, and how many it does learn from the shards,
   streamed and in memory, stored and fresh. The share of time that it waits is 1 less their ratio; for mixing online,
   it is estimated from --online, the images per second of a loader;
4. trains the largest network of which two trainings fit into the minutes, once on the crops and once on the variants,
   and tells their errors on the test split, clean and under the attack.

All goes to OUT/gpu.json, as soon as it is known. A part that fails is noted there, the others go on, and the exit
status is 1. With --device cpu and a small DATA, it is only a trial of this script.
"""

import argparse
import json
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice, repeat
from math import ceil
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from layermix_gen import (
    BuildSettings,
    LayerMixDataset,
    LayerMixError,
    LayerMixOptions,
    build,
    normalize,
    render_batch,
)
from layermix_gen.evaluate import (
    Attack,
    Forward,
    Normalized,
    Predictions,
    attack,
    evaluating,
    load_predictions,
    measure,
    run,
)
from layermix_gen.mixing.methods import METHODS, DrawSettings
from layermix_gen.mixing.renderer import rendered
from layermix_gen.sources import open_source
from layermix_gen.support.seeds import KeyedRandom

sys.path.append(str(Path(__file__).parents[1] / "examples"))
from models import make_model
from training import cosine, learn

BATCH, RATE, DECAY = 128, 0.1, 5e-4
MEAN = STD = 0.5
GROUP = 8  # steps: as many batches as the reader has ready at a time
WARM, TIMED, REPEATS = 2, 2.0, 3  # groups before timing; seconds of a timing, of which the median is told
ATTACKED = 256  # images
RENDERED = {32: 2048, 224: 256}  # images of a side in px that are rendered at once
METHODS_TRAINED = ("none", "layermix")


@dataclass(slots=True)
class Trial:
    """What is the same in all measurements."""

    out: Path
    device: torch.device
    found: dict[str, Any] = field(default_factory=dict)

    def shards(self, method: str = "layermix") -> Path:
        return self.out / f"shards-{method}"

    def dataset(
        self, views: str = "variant", *, method: str = "layermix", on_device: bool = True, render: str = "cpu"
    ) -> LayerMixDataset:
        device = self.device if on_device else None
        return LayerMixDataset(self.shards(method), BATCH, views=views, device=device, render=render)

    def note(self, **facts: Any) -> None:
        """Keep results, on disk at once: what a run has found is there however it ends."""
        self.found |= facts
        print(json.dumps(facts), flush=True)
        (self.out / "gpu.json").write_text(json.dumps(self.found, indent=1) + "\n")

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Note why a part failed, and go on: the time on a GPU is short."""
        try:
            yield
        except (LayerMixError, RuntimeError) as error:
            traceback.print_exc()
            self.note(failed=self.found.get("failed", {}) | {name: str(error)})


# ------------------------------------------------------------------------------------ the same as on the CPU


def compare(trial: Trial, model: nn.Module, test: Path) -> None:
    """Hold what runs on the device to what runs on the CPU."""
    plain, fresh = list(trial.dataset(on_device=False)), list(trial.dataset("fresh", on_device=False))
    readers: dict[str, tuple[Callable[[], Iterable[Any]], Any]] = {
        "copied": (lambda: trial.dataset(), plain),
        "in_memory": (lambda: trial.dataset(on_device=False).in_memory(trial.device), plain),
        "fresh": (lambda: trial.dataset("fresh", render="device"), fresh),
        "fresh in_memory": (lambda: trial.dataset("fresh", render="device").in_memory(trial.device), fresh),
    }
    for name, (batches, truth) in readers.items():
        with trial.part(name):
            apart = {"levels_apart": 0, "labels_apart": 0}
            for (ours, labels), (images, expected) in zip(batches(), truth, strict=True):
                levels = int((ours.cpu().int() - images.int()).abs().max())
                apart["levels_apart"] = max(apart["levels_apart"], levels)
                apart["labels_apart"] += int((labels.cpu() != expected).sum())
            trial.note(**{f"batches {name}": apart})
    images, labels = (part[:ATTACKED] for part in plain[0])
    with trial.part("normalize"):
        half = normalize(images, MEAN, STD, torch.bfloat16).float()
        there = normalize(images.to(trial.device), MEAN, STD, torch.bfloat16).float().cpu()
        trial.note(normalize_bf16={"apart": float((half - there).abs().max())})
    with trial.part("attack"):
        trial.note(attack=attacked(trial, model, images, labels))
    with trial.part("answers"):
        trial.note(answers=answers(trial, model, test))


def attacked(trial: Trial, model: nn.Module, images: Tensor, labels: Tensor) -> dict[str, float]:
    """How far the attack moves pixels at most, in epsilons, how many it moves elsewhere than on the CPU, and misled."""
    pixels, options, found, misled = images.float() / 255, Attack(), [], []
    for device in (torch.device("cpu"), trial.device):
        whole = Normalized(model, MEAN, STD).to(device)
        with torch.backends.cudnn.flags(allow_tf32=False):
            found.append(attack(whole, pixels.to(device), labels.to(device), options))
            with evaluating(whole), torch.no_grad():
                misled.append(float((whole(found[-1]).argmax(1).cpu() != labels).float().mean()))
    here, there = (one.cpu() for one in found)
    return {
        "epsilons": round(float((there - pixels).abs().max()) / options.epsilon, 4),
        "pixels_apart": round(float(((here - there).abs() > options.epsilon / 10).float().mean()), 5),
        "misled_on_the_cpu": misled[0],
        "misled": misled[1],
    }


def answers(trial: Trial, model: nn.Module, test: Path) -> dict[str, dict[str, float]]:
    """How far confidences are from those on the CPU, on average, and in how many images another class is the answer."""
    found: dict[str, Predictions] = {}
    for device, precision in (("cpu", "float32"), (trial.device.type, "float32"), (trial.device.type, "bf16")):
        folder = trial.out / "results" / f"{device}-{precision}"
        forward, net = Forward(device, precision=precision), model.to(device)
        with torch.backends.cudnn.flags(allow_tf32=False):
            run(net, {"clean": test}, folder, ("clean",), mean=MEAN, std=STD, forward=forward, progress=False)
        found[f"{device} {precision}"] = cast(Predictions, load_predictions(folder / "clean" / "clean.npz"))
    truth = found["cpu float32"]
    return {
        name: {
            "confidences_apart": round(float(np.abs(one.confidences - truth.confidences).mean()), 7),
            "other_answers": round(float((one.classes[:, :, 0] != truth.classes[:, :, 0]).mean()), 5),
        }
        for name, one in found.items()
    }


# ------------------------------------------------------------------------------------ rendering on the device


def rendering(trial: Trial) -> None:
    """Note how many recipes of LayerMix are rendered per second, with their planning, and by the kernels."""
    for size, count in RENDERED.items():
        settings, rng = DrawSettings(size, 1, size, LayerMixOptions()), np.random.default_rng(0)
        recipes = [METHODS["layermix"].draw(KeyedRandom.of_view(0, i, 0, 0), settings).expression for i in range(count)]
        leaves = rng.integers(0, 256, (2, count, size, size, 3), np.uint8)
        there = [torch.from_numpy(one).movedim(3, 1).to(trial.device) for one in leaves]
        found = render_batch(recipes, *there)
        begin = time.perf_counter()
        plain = [rendered(recipe, *pair) for recipe, *pair in zip(recipes, *leaves, strict=True)]
        by_kernels = time.perf_counter() - begin
        apart = (found.movedim(1, 3).cpu().int() - torch.from_numpy(np.stack(plain)).int()).abs().max()
        synchronize(trial.device)
        begin = time.perf_counter()
        for _ in range(3):
            render_batch(recipes, *there)
        synchronize(trial.device)
        on_device = (time.perf_counter() - begin) / 3
        rates = {"device": round(count / on_device), "kernels": round(count / by_kernels)}
        trial.note(**{f"rendered at {size} px": {"images_per_second": rates, "levels_apart": int(apart)}})


# ------------------------------------------------------------------------------------ what the device waits for


def waiting(trial: Trial, networks: list[str], online: float) -> dict[str, float]:
    """Note the images per second of each network; return those without any waiting."""
    could = {}
    for name in networks:
        sources: dict[str, Callable[[], Iterable[Any]]] = {
            "ready": lambda: repeat(next(iter(trial.dataset()))),
            "streamed": lambda: forever(trial.dataset()),
            "in memory": lambda: forever(trial.dataset(on_device=False).in_memory(trial.device)),
            "fresh by the CPU": lambda: forever(trial.dataset("fresh")),
            "fresh on the device": lambda: forever(trial.dataset("fresh", render="device")),
            "fresh in memory on the device": lambda: forever(
                trial.dataset("fresh", render="device").in_memory(trial.device)
            ),
        }
        rates = {}
        for source, batches in sources.items():
            with trial.part(f"{name} {source}"):
                rates[source] = rate(trial, name, batches())
        if "ready" not in rates:
            continue
        could[name] = rates["ready"]
        waits = {source: round(1 - speed / rates["ready"], 3) for source, speed in rates.items() if source != "ready"}
        waits |= {f"online at {online:.0f}/s": round(max(0.0, 1 - online / rates["ready"]), 3)}
        trial.note(**{name: {"images_per_second": {key: round(one) for key, one in rates.items()}, "waits": waits}})
    return could


def forever(batches: Iterable[Any]) -> Iterator[Any]:
    """Epoch after epoch."""
    return chain.from_iterable(repeat(batches))


def rate(trial: Trial, name: str, batches: Iterable[Any]) -> float:
    """Images per second of training steps: the median of some timings of whole groups of batches."""
    step, ahead = learner(trial, make_model(name, trial.dataset().num_classes)), iter(batches)

    def seconds_of(groups: int) -> float:
        begin = time.perf_counter()
        for images, labels in islice(ahead, groups * GROUP):
            step(RATE, images, labels)
        synchronize(trial.device)
        return time.perf_counter() - begin

    seconds_of(WARM)
    groups = ceil(TIMED / seconds_of(1))
    rates = [groups * GROUP * BATCH / seconds_of(groups) for _ in range(REPEATS)]
    return statistics.median(rates)


def learner(trial: Trial, model: nn.Module) -> Callable[[float, Tensor, Tensor], Tensor]:
    """A function that takes one step at a learning rate, as the training examples do."""
    model.to(trial.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(model.parameters(), RATE, 0.9, weight_decay=DECAY, nesterov=True)
    return lambda rate, images, labels: learn(model, optimizer, rate, normalize(images, MEAN, STD), labels, None, 0)


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


# ------------------------------------------------------------------------------------ two trainings


def trainings(trial: Trial, name: str, epochs: int, test: Path) -> None:
    """Train a network on crops and on variants, and evaluate both."""
    for method in METHODS_TRAINED:
        torch.manual_seed(0)
        model = make_model(name, trial.dataset().num_classes)
        data = trial.dataset(method=method, on_device=False).in_memory(trial.device)
        step, steps, begin = learner(trial, model), epochs * len(data), time.perf_counter()
        for number, (images, labels) in enumerate(islice(forever(data), steps)):
            step(cosine(number / steps, RATE), images, labels)
        synchronize(trial.device)
        seconds = time.perf_counter() - begin
        folder = trial.out / "results" / f"{name}-{method}"
        suites, forward = ("clean", "pgd", "calibration"), Forward(trial.device.type)
        run(model, {"clean": test}, folder, suites, mean=MEAN, std=STD, forward=forward, progress=False)
        numbers = {key: round(one.value, 3) for key, one in measure(folder).numbers.items()}
        trial.note(**{f"{name} {method}": {"epochs": epochs, "seconds": round(seconds, 1)} | numbers})


def write_test(data: str, out: Path, count: int) -> Path:
    """The first images of the test split, as a source of its own."""
    source = open_source(data, "auto:test")
    items, path = source.items()[:count], out / "test.npz"
    np.savez(path, x_test=np.stack([source.read(one) for one in items]), y_test=np.array([one.label for one in items]))
    return path


def main(arguments: list[str] | None = None) -> None:
    """Read the command line; build, compare, measure, train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("out", type=Path)
    parser.add_argument("--mixing-set", help="as for `build`")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=8, help="for everything")
    parser.add_argument("--networks", default="wrn-16-2,wrn-40-4,wrn-28-10", help="from the smallest to the largest")
    parser.add_argument("--most", type=int, default=30, help="epochs of a training at most")
    parser.add_argument("--test", type=int, default=2000, help="images of the test split")
    parser.add_argument("--online", type=float, default=450, help="images/s of mixing online: two workers of its code")
    options = parser.parse_args(arguments)
    begin, networks = time.perf_counter(), options.networks.split(",")
    if options.device != "cpu" and not torch.cuda.is_available():
        raise SystemExit("Error: expected a GPU that torch can use, found none; try --device cpu")
    options.out.mkdir(parents=True, exist_ok=True)
    trial = Trial(options.out, torch.device(options.device))
    for method in METHODS_TRAINED:
        settings = BuildSettings(variants=4, method=method)
        build(options.data, trial.shards(method), settings, mixing_set=None if method == "none" else options.mixing_set)
    name = torch.cuda.get_device_name() if trial.device.type == "cuda" else "the CPU"
    trial.note(device=name, torch=torch.__version__, images=len(trial.dataset()) * BATCH)
    test = write_test(options.data, options.out, options.test)
    torch.manual_seed(0)
    compare(trial, make_model(networks[0], trial.dataset().num_classes), test)
    with trial.part("rendering"):
        rendering(trial)
    could = waiting(trial, networks, options.online)
    with trial.part("trainings"):
        if not could:
            raise LayerMixError("no network was timed")
        left = 60 * options.minutes - (time.perf_counter() - begin)
        epoch = {one: len(trial.dataset()) * BATCH / could[one] for one in could}
        fits = [one for one in could if 2 * 10 * epoch[one] < 0.7 * left] or [*could][:1]
        trainings(trial, fits[-1], max(1, min(options.most, int(0.7 * left / 2 / epoch[fits[-1]]))), test)
    if failed := trial.found.get("failed"):
        raise SystemExit(f"Error: failed: {', '.join(failed)}; {options.out / 'gpu.json'} tells why")


if __name__ == "__main__":
    main()
