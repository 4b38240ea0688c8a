"""What the examples share: train on shards with one of several losses, evaluate, save and resume.

Under torchrun each process is a rank; the reader distributes the images by itself. A checkpoint holds all that is
needed to continue at exactly the batch at which it was written, with any number of ranks: run the same command again.
"""

import math
import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from training_log import Log

from layermix_gen import open_shards
from layermix_gen.dataset.names import plane_name
from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate.losses import jsd_loss, outlier_loss
from layermix_gen.images.views import draw_picture_view
from layermix_gen.mixing_sets.mixing_set import MixingSet
from layermix_gen.mixing_sets.provision import resolve_mixing_set
from layermix_gen.reading.device import normalize
from layermix_gen.reading.in_memory import InMemoryDataset
from layermix_gen.reading.reader import LayerMixDataset

FINAL_RATE = 1e-6


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train. `batch_size` is that of all ranks together; `mean` and `std` are for pixels in [0, 1].

    `variants` restricts the planes that are read to the first ones. `in_memory` decodes them once, which a small
    dataset allows, and `compiled` trains a compiled network: faster after a minute, where there is a compiler.
    `fresh` mixes the clean plane anew in each epoch; by which method, `mix` says, its name or its options, and
    `mixing_set` by which pictures. `view` says how whole images are cropped, where the dataset has these.
    """

    epochs: int
    batch_size: int
    rate: float
    weight_decay: float
    soft_labels: bool
    jsd: float  # the weight of the Jensen-Shannon divergence; 0: the cross entropy of one view
    outliers: str  # a mixing set or a folder of pictures that are of no class, "fractals", or "" for none
    seed: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    save_every: int  # steps
    out: Path
    variants: int | None = None
    in_memory: bool = False
    compiled: bool = False
    fresh: bool = False
    mix: Any = None
    mixing_set: Path | None = None
    view: str | None = None

    @property
    def views(self) -> str | tuple[str, ...]:
        """What is read of each image."""
        mixed = "fresh" if self.fresh else "variant"
        return ("clean", mixed, mixed) if self.jsd else mixed


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """End the program with exit status 1 and one line, where the user can correct what went wrong."""
    try:
        yield
    except (LayerMixError, OSError) as error:
        raise SystemExit(f"Error: {error}") from error


def train(make: Callable[[int], tuple[nn.Module, str]], shards: str, test: str | None, recipe: Recipe) -> None:
    """Train a model on the dataset `shards`, from its beginning or from the checkpoint in `recipe.out`.

    `make(classes)` makes the model for as many classes as the dataset has, and tells how `evaluate run` would make it.
    """
    with ranks() as here:
        device = here.device
        shown = LayerMixDataset(
            shards,
            recipe.batch_size // here.world_size,
            seed=recipe.seed,
            views=recipe.views,
            planes=None if recipe.variants is None else [plane_name(number) for number in range(recipe.variants)],
            mix=recipe.mix,
            mixing_set=recipe.mixing_set,
            view=recipe.view,
            soft_labels=recipe.soft_labels,
            device=device,
        )
        data = shown.in_memory(device) if recipe.in_memory else shown
        tested = test_set(test, shown.size, recipe, here) if test else None
        model, spec = make(data.num_classes)
        about = {"model": spec, "mean": recipe.mean, "std": recipe.std}
        model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        whole = DistributedDataParallel(model) if here.world_size > 1 else model
        if recipe.compiled:
            whole = torch.compile(whole)
        optimizer = torch.optim.SGD(
            model.parameters(), recipe.rate, 0.9, weight_decay=recipe.weight_decay, nesterov=True
        )
        outliers = Outliers(recipe.outliers, recipe.seed, here) if recipe.outliers else None
        leads, path = here.rank == 0, recipe.out / "checkpoint.pt"
        step = load(path, model, optimizer, data)
        log = Log(recipe.out if leads else None)
        while data.epoch < recipe.epochs:
            epoch = data.epoch
            whole.train()
            for images, labels in data:
                rate = cosine(step / (recipe.epochs * len(data)), recipe.rate)
                others = numbers(outliers.like(images, step), recipe) if outliers else None
                loss = learn(whole, optimizer, rate, numbers(images, recipe), labels, others, recipe.jsd)
                step += 1
                log.step(epoch, step, rate, loss)
                if leads and step % recipe.save_every == 0:
                    save(path, model, optimizer, data, step, about)
            log.rest(epoch, step, rate)
            if leads:
                save(path, model, optimizer, data, step, about)
            if tested:
                log.write(epoch=epoch, step=step, **evaluate(model, tested, recipe, here))
        if leads:
            command = f"layermix-gen evaluate run --model {shlex.quote(spec)} --checkpoint {shlex.quote(str(path))}"
            print(f"to measure it:\n{command} --checkpoint-rule last --data NAME=FOLDER --out results", flush=True)


def learn(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    rate: float,
    images: Tensor,
    labels: Tensor,
    others: Tensor | None,
    jsd: float,
) -> Tensor:
    """One step; returns the loss. `others` are images of no class, `jsd` is the weight of the divergence of views."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    with torch.autocast("cuda", torch.bfloat16, enabled=images.is_cuda):
        loss = loss_of(model, images, labels, others, jsd)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def loss_of(model: nn.Module, images: Tensor, labels: Tensor, others: Tensor | None, jsd: float) -> Tensor:
    """Cross entropy for images (B, 3, H, W), the Jensen-Shannon loss of weight `jsd` for several views (B, V, 3, H, W).

    Labels are (B,), or for one view also targets (B, classes). With `others`, images (N, 3, H, W) of no class, outlier
    exposure is added; all go through the network together.
    """
    views = images if images.dim() == 5 else images[:, None]
    flat = views.flatten(0, 1)
    logits = model(flat if others is None else torch.cat([flat, others]))
    known = logits[: len(flat)].unflatten(0, views.shape[:2])
    loss = jsd_loss(known, labels, jsd) if images.dim() == 5 else F.cross_entropy(known[:, 0], labels)
    return loss if others is None else loss + outlier_loss(logits[len(flat) :])


class Outliers:
    """Images of no class: random crops of the pictures of a mixing set, which depend on seed, step and rank alone."""

    def __init__(self, location: str, seed: int, here: "Ranks") -> None:
        self.location, self.seed, self.here = None if location == "fractals" else location, seed, here
        self.pictures: MixingSet | None = None

    def like(self, images: Tensor, step: int) -> Tensor:
        """As many of them as there are images (B, ...), of the same size: uint8 (B, 3, H, W) on the same device."""
        size = images.shape[-1]
        if self.pictures is None:
            self.pictures = resolve_mixing_set(self.location, size, self.seed, color=True)
        count, side = len(self.pictures), self.pictures.size
        rng = np.random.default_rng((self.seed, step, self.here.rank))
        crops = [self.pictures.view(draw_picture_view(rng, count, side, size), size) for _ in images]
        return torch.from_numpy(np.stack(crops)).to(images.device).permute(0, 3, 1, 2)


def cosine(done: float, rate: float) -> float:
    """The learning rate when a share `done` of all steps is done."""
    return FINAL_RATE + (rate - FINAL_RATE) * (1 + math.cos(math.pi * done)) / 2


def numbers(images: Tensor, recipe: Recipe) -> Tensor:
    """What the network sees of uint8 images."""
    return normalize(images, recipe.mean, recipe.std)


def test_set(shards: str, size: int, recipe: Recipe, here: "Ranks") -> LayerMixDataset:
    """The clean plane of a dataset, every image once over all ranks; of whole images, the square in the middle."""
    whole = open_shards(shards).manifest.settings.view == "source"
    return LayerMixDataset(
        shards,
        recipe.batch_size,
        views="clean",
        view="center" if whole else None,
        size=size if whole else None,
        order="sequential",
        remainder="exact",
        device=here.device,
    )


@torch.no_grad()
def evaluate(model: nn.Module, data: LayerMixDataset, recipe: Recipe, here: "Ranks") -> dict[str, float]:
    """The error in percent on a test set."""
    model.eval()
    counts = torch.zeros(2, device=here.device)
    for images, labels in data:
        wrong = model(numbers(images, recipe)).argmax(1) != labels
        counts += torch.stack([wrong.sum(), torch.tensor(len(labels), device=here.device)])
    here.add_up(counts)
    return {"error": round(100 * float(counts[0] / counts[1]), 3)}


# ------------------------------------------------------------------------------------------------ ranks, files


@dataclass(slots=True)
class Ranks:
    """This process among those that train together."""

    device: torch.device
    rank: int = 0
    world_size: int = 1
    _last: dist.Work | None = None

    def add_up(self, counts: Tensor) -> None:
        """Sum over all ranks, in place.

        The communication is kept, and with it its tensor. A thread of gloo holds them a moment longer than `wait`; if
        it were the last to let go, it would need the interpreter, and abort the process where that is ending.
        """
        if self.world_size > 1:
            self._last = dist.all_reduce(counts, async_op=True)
            self._last.wait()


@contextmanager
def ranks() -> Iterator[Ranks]:
    """The ranks that torchrun started, or one alone."""
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    if "RANK" not in os.environ:
        yield Ranks(device)
        return
    dist.init_process_group("nccl" if cuda else "gloo")
    here = Ranks(device, dist.get_rank(), dist.get_world_size())
    try:
        yield here
        dist.barrier()  # what was begun before is over on every rank; not after an error, for others may wait elsewhere
    finally:
        dist.destroy_process_group()


def save(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: LayerMixDataset | InMemoryDataset,
    step: int,
    about: dict[str, Any],
) -> None:
    """Write a checkpoint, completely or not at all; `evaluate run` reads in it what is told `about` the model."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "data": data.state_dict()}
    torch.save(state | {"step": step, "random": torch.get_rng_state(), "layermix_gen": about}, draft)
    draft.replace(path)


def load(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, data: LayerMixDataset | InMemoryDataset
) -> int:
    """Go on from a checkpoint, if there is one; return the steps that are done."""
    if not path.exists():
        return 0
    state = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    data.load_state_dict(state["data"])
    torch.set_rng_state(state["random"])
    print(f"resumed {path} at step {state['step']}", flush=True)
    return int(state["step"])
