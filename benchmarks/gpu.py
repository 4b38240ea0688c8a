"""What a GPU waits for, and whether all that runs on one does what it does on the CPU.

    python benchmarks/gpu.py DATA OUT [--device cuda] [--minutes 12] [--networks wrn-16-2,wrn-40-4,wrn-28-10]

Builds a clean plane and four LayerMix variants of DATA (CIFAR-10, or anything of up to 64 px that `build` reads), then

1. compares batches copied to the device, `in_memory`, fresh variants rendered there, `normalize` in bfloat16, the
   attack, and predictions with mixed precision with the same on the CPU;
2. measures how many recipes of LayerMix per second are rendered on the device, and by the kernels in one thread;
3. measures for each network how many images per second it could learn, and how many it does learn from the shards,
   streamed and in memory, stored and fresh. The share of time that it waits is 1 less their ratio; for mixing online,
   it is estimated from --online, the images per second of a loader;
4. trains the largest network of which two trainings fit into the minutes, once on the clean plane and once on the
   variants, and tells their errors on the test split, clean and under the attack.

All goes to OUT/gpu.json. With --device cpu and a small DATA, it is only a trial of this script.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from layermix_gen import BuildSettings, LayerMixDataset, LayerMixOptions, build, normalize, render_batch
from layermix_gen.evaluate import Attack, Forward, Normalized, attack, measure, run
from layermix_gen.mixing.methods import METHODS, DrawSettings
from layermix_gen.mixing.renderer import rendered
from layermix_gen.sources import open_source
from layermix_gen.support.seeds import KeyedRandom

sys.path.append(str(Path(__file__).parents[1] / "examples"))
from models import make_model
from training import cosine, learn

BATCH, RATE, DECAY = 128, 0.1, 5e-4
MEAN = STD = 0.5
WARM, TIMED = 10, 40  # steps before those that are timed
ATTACKED = 256  # images
RENDERED = {32: 2048, 224: 256}  # images of a side in px that are rendered at once
TRAINED = {"none": "clean", "layermix": "variant"}  # what each training reads of the same shards


@dataclass(slots=True)
class Trial:
    """What is the same in all measurements."""

    shards: Path
    device: torch.device
    out: Path
    found: dict[str, Any] = field(default_factory=dict)

    def dataset(self, views: str = "variant", *, on_device: bool = True, render: str = "cpu") -> LayerMixDataset:
        device = self.device if on_device else None
        return LayerMixDataset(self.shards, BATCH, views=views, device=device, render=render)

    def note(self, **facts: Any) -> None:
        """Keep results, on disk at once: what a run has found is there however it ends."""
        self.found |= facts
        print(json.dumps(facts), flush=True)
        (self.out / "gpu.json").write_text(json.dumps(self.found, indent=1) + "\n")


# ------------------------------------------------------------------------------------ the same as on the CPU


def compare(trial: Trial, model: nn.Module, test: Path) -> None:
    """Hold what runs on the device to what runs on the CPU."""
    plain, fresh = list(trial.dataset(on_device=False)), list(trial.dataset("fresh", on_device=False))
    there = trial.dataset("fresh", render="device")
    largest = {}
    for name, batches, truth in (
        ("copied", trial.dataset(), plain),
        ("in_memory", trial.dataset(on_device=False).in_memory(trial.device), plain),
        ("fresh", there, fresh),
        ("fresh in_memory", there.in_memory(trial.device), fresh),
    ):
        largest[name] = 0
        for (ours, labels), (images, expected) in zip(batches, truth, strict=True):
            largest[name] = max(largest[name], int((ours.cpu().int() - images.int()).abs().max()))
            if not torch.equal(labels.cpu(), expected):
                raise SystemExit(f"the labels of a batch differ from those on the CPU where it is {name}")
    images, labels = (part[:ATTACKED].to(trial.device) for part in plain[0])
    half = normalize(images, MEAN, STD, torch.bfloat16).float()
    trial.note(
        levels_apart=largest,
        normalize_bf16_apart=float((half - normalize(images, MEAN, STD)).abs().max()),
        attack=attacked(model.to(trial.device), images, labels),
    )
    wrong = {}
    for device, precision in (("cpu", "float32"), (trial.device.type, "float32"), (trial.device.type, "bf16")):
        folder = trial.out / "results" / f"{device}-{precision}"
        forward = Forward(device, precision=precision)
        net = model.to(device)
        run(net, {"clean": test}, folder, ("clean",), mean=MEAN, std=STD, forward=forward, progress=False)
        wrong[f"{device} {precision}"] = round(measure(folder).numbers["clean_error"].value, 3)
    trial.note(error_of_an_untrained_network=wrong)


def attacked(model: nn.Module, images: Tensor, labels: Tensor) -> dict[str, float]:
    """How far the attack moves pixels at most, in units of epsilon, and the share of images it misleads."""
    pixels, options, whole = images.float() / 255, Attack(), Normalized(model, MEAN, STD).to(images.device)
    found = attack(whole, pixels, labels, options)
    with torch.no_grad():
        misled = (whole(found).argmax(1) != labels).float().mean()
    return {"epsilons": round(float((found - pixels).abs().max()) / options.epsilon, 4), "misled": float(misled)}


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
        ready = next(iter(trial.dataset()))
        streamed, kept = trial.dataset(), trial.dataset(on_device=False).in_memory(trial.device)
        fresh = trial.dataset("fresh", render="device")
        sources: dict[str, Iterable[Any]] = {
            "ready": repeat(ready),
            "streamed": forever(streamed),
            "in memory": forever(kept),
            "fresh by the CPU": forever(trial.dataset("fresh")),
            "fresh on the device": forever(fresh),
            "fresh in memory on the device": forever(fresh.in_memory(trial.device)),
        }
        rates = {source: rate(trial, name, batches) for source, batches in sources.items()}
        could[name] = rates["ready"]
        waits = {source: round(1 - speed / rates["ready"], 3) for source, speed in rates.items() if source != "ready"}
        waits |= {f"online at {online:.0f}/s": round(max(0.0, 1 - online / rates["ready"]), 3)}
        trial.note(**{name: {"images_per_second": {key: round(one) for key, one in rates.items()}, "waits": waits}})
    return could


def forever(batches: Iterable[Any]) -> Iterator[Any]:
    """Epoch after epoch."""
    return chain.from_iterable(repeat(batches))


def rate(trial: Trial, name: str, batches: Iterable[Any]) -> float:
    """Images per second of training steps."""
    step = learner(trial, make_model(name, trial.dataset().num_classes))
    begin = 0.0
    for number, (images, labels) in enumerate(islice(batches, WARM + TIMED)):
        if number == WARM:
            synchronize(trial.device)
            begin = time.perf_counter()
        step(RATE, images, labels)
    synchronize(trial.device)
    return TIMED * BATCH / (time.perf_counter() - begin)


def learner(trial: Trial, model: nn.Module) -> Callable[[float, Tensor, Tensor], Tensor]:
    """A function that takes one step at a learning rate, as the training examples do."""
    model.to(trial.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(model.parameters(), RATE, 0.9, weight_decay=DECAY, nesterov=True)
    return lambda rate, images, labels: learn(model, optimizer, rate, normalize(images, MEAN, STD), labels, None)


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


# ------------------------------------------------------------------------------------ two trainings


def trainings(trial: Trial, name: str, epochs: int, test: Path) -> None:
    """Train a network on the clean plane and on the variants, and evaluate both."""
    for method, views in TRAINED.items():
        torch.manual_seed(0)
        model, data = (
            make_model(name, trial.dataset().num_classes),
            trial.dataset(views, on_device=False).in_memory(trial.device),
        )
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
    parser.add_argument("--minutes", type=float, default=12, help="for everything after the build")
    parser.add_argument("--networks", default="wrn-16-2,wrn-40-4,wrn-28-10", help="from the smallest to the largest")
    parser.add_argument("--most", type=int, default=30, help="epochs of a training at most")
    parser.add_argument("--test", type=int, default=2000, help="images of the test split")
    parser.add_argument("--online", type=float, default=450, help="images/s of mixing online: two workers of its code")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    shards, networks = options.out / "shards", options.networks.split(",")
    build(options.data, shards, BuildSettings(variants=4), mixing_set=options.mixing_set)
    begin, trial = time.perf_counter(), Trial(shards, torch.device(options.device), options.out)
    name = torch.cuda.get_device_name() if trial.device.type == "cuda" else "the CPU"
    trial.note(device=name, torch=torch.__version__, images=len(trial.dataset()) * BATCH)
    test = write_test(options.data, options.out, options.test)
    torch.manual_seed(0)
    compare(trial, make_model(networks[0], trial.dataset().num_classes), test)
    rendering(trial)
    could = waiting(trial, networks, options.online)
    left = 60 * options.minutes - (time.perf_counter() - begin)
    epoch = {one: len(trial.dataset()) * BATCH / could[one] for one in networks}
    fits = [one for one in networks if 2 * 10 * epoch[one] < 0.7 * left] or networks[:1]
    trainings(trial, fits[-1], max(1, min(options.most, int(0.7 * left / 2 / epoch[fits[-1]]))), test)


if __name__ == "__main__":
    main()
