"""Training in loops of frameworks: epochs differ, every variant comes once, and loaders have all that they ask for."""

import json
import os
import re
import socket
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from layermix_gen.reading.device import normalize
from layermix_gen.reading.reader import LayerMixDataset
from tests.reading.truth import Truth
from tests.torchvision_on_cpu import allow_timm

PAGE = (Path(__file__).parents[2] / "docs" / "reading.md").read_text(encoding="utf-8")
VARIANTS, IMAGES, STEPS = ("v00", "v01", "v02"), 40, 5
# A warning of a class of Lightning's would make the process that collects the results import Lightning, unprepared.
pytestmark = pytest.mark.filterwarnings("ignore")
CHOICE: dict[str, Any] = {"planes": VARIANTS, "classes": (0, 1)}  # 40 images: 5 batches of 8 and nothing left


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    allow_timm()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def documented(word: str) -> dict[str, Any]:
    """The names that the page's snippet with `word` in it defines."""
    (snippet,) = [one for one in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if word in one]
    names: dict[str, Any] = {}
    exec(snippet, names)  # noqa: S102
    return names


class Net(nn.Module):
    """Logits of images of 12 px."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * 12 * 12, 5)

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(normalize(images, 0.5, 0.5).flatten(1))


def loss_of(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.cross_entropy(model(images), labels)


def check(tiny: Truth, seen: list[list[str]]) -> None:
    """Check that `seen`, the keys of each step of 3 epochs, is what the reader gives without a framework."""
    expected = tiny.reader(**CHOICE)
    assert len(seen) == 3 * STEPS
    assert seen == [facts["key"] for _ in range(3) for *_, facts in expected]
    epochs = [seen[i : i + STEPS] for i in range(0, len(seen), STEPS)]
    assert len({str(epoch) for epoch in epochs}) == 3
    every = [key for key, facts in tiny.metadata.items() if facts["label"] < 2 and facts["plane"] in VARIANTS]
    assert sorted(key for batch in seen for key in batch) == sorted(every)
    assert len(every) == 3 * IMAGES


LOADERS: dict[str, Callable[[LayerMixDataset], Any]] = {
    "dataset": lambda ds: ds,
    "loader": lambda ds: DataLoader(ds, batch_size=None),
    "workers": lambda ds: DataLoader(ds, batch_size=None, num_workers=2, multiprocessing_context="fork"),
    "persistent": lambda ds: DataLoader(
        ds, batch_size=None, num_workers=1, persistent_workers=True, multiprocessing_context="fork"
    ),
}


@pytest.mark.parametrize("loader", LOADERS)
def test_a_plain_loop(tiny: Truth, loader: str) -> None:
    ds, model, seen = tiny.reader(**CHOICE), Net(), []
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    batches = LOADERS[loader](ds)
    for epoch in range(3):
        ds.set_epoch(epoch)
        for images, labels, facts in batches:
            optimizer.zero_grad()
            loss_of(model, images, labels).backward()
            optimizer.step()
            seen.append(facts["key"])
    assert len(batches) == STEPS
    check(tiny, seen)


def lightning_module(seen: list[list[str]]) -> Any:
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = Net()

        def training_step(self, batch: Any, step: int) -> Tensor:
            images, labels, facts = batch
            seen.append(facts["key"])
            return loss_of(self.net, images, labels)

        def validation_step(self, batch: Any, step: int) -> None:
            self.log("loss", loss_of(self.net, *batch[:2]))

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), 0.1)

    return Module()


def lightning_trainer(root: Path, **more: Any) -> Any:
    import lightning

    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return lightning.Trainer(accelerator="cpu", default_root_dir=root, **{"enable_checkpointing": False} | quiet | more)


def following(ds: LayerMixDataset) -> Any:
    return documented("lightning.Callback")["FollowEpochs"](ds)


@pytest.mark.parametrize(
    ("loader", "follow"),
    [("dataset", False), ("loader", False), ("dataset", True), ("workers", True), ("persistent", True)],
)
def test_lightning(tiny: Truth, tmp_path: Path, loader: str, follow: bool) -> None:
    ds, seen = tiny.reader(**CHOICE), []
    trainer = lightning_trainer(tmp_path, max_epochs=3, callbacks=[following(ds)] if follow else [])
    test = DataLoader(tiny.reader(views="clean", order="sequential", remainder="exact"), batch_size=None)
    trainer.fit(lightning_module(seen), LOADERS[loader](ds), test)
    assert (trainer.num_training_batches, trainer.num_val_batches, trainer.global_step) == (STEPS, [13], 3 * STEPS)
    check(tiny, seen)


@pytest.mark.parametrize("steps", [STEPS, 7])
def test_lightning_resumes(tiny: Truth, tmp_path: Path, steps: int) -> None:
    """It resumes at the batch where the checkpoint was written; at the end of an epoch, at the first of the next."""
    from lightning.pytorch.callbacks import ModelCheckpoint

    parts: list[list[list[str]]] = [[], []]
    for seen, path in zip(parts, (None, tmp_path / f"step={steps}.ckpt"), strict=True):
        ds = tiny.reader(**CHOICE)
        saving = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=steps, save_top_k=-1)
        callbacks = [following(ds)] if path else [following(ds), saving]
        trainer = lightning_trainer(tmp_path, max_epochs=3, enable_checkpointing=not path, callbacks=callbacks)
        trainer.fit(lightning_module(seen), ds, ckpt_path=path, weights_only=False)
    check(tiny, parts[0])
    assert parts[1] == parts[0][steps:]


# --- Hugging Face's Trainer ------------------------------------------------------------------------------------------


def hugging_face(ds: LayerMixDataset, out: Path, seen: list[list[str]], follow: bool, **more: Any) -> Any:
    from transformers import TrainingArguments

    names = documented("TrainerCallback")

    class Classifier(Net):
        def forward(self, pixel_values: Tensor, labels: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
            logits = super().forward(pixel_values)
            return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}

    class Watched(names["ShardsTrainer"]):  # type: ignore[valid-type, misc, name-defined]
        def get_train_dataloader(self) -> Any:
            loader = super().get_train_dataloader()
            named = loader.collate_fn
            loader.collate_fn = lambda batch: seen.append(batch[2]["key"]) or named(batch)
            return loader

    settings: dict[str, Any] = {
        "num_train_epochs": 3,
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
    }
    arguments = TrainingArguments(str(out), **settings | more)
    callbacks = [names["FollowEpochs"]()] if follow else []
    return Watched(Classifier(), arguments, train_dataset=ds, callbacks=callbacks)


@pytest.mark.parametrize("follow", [False, True], ids=["by itself", "callback"])
def test_hugging_face(tiny: Truth, tmp_path: Path, follow: bool) -> None:
    seen: list[list[str]] = []
    trainer = hugging_face(tiny.reader(**CHOICE), tmp_path, seen, follow)
    trainer.train()
    assert trainer.state.global_step == 3 * STEPS
    check(tiny, seen)


@pytest.mark.parametrize("steps", [STEPS, 7])
def test_hugging_face_resumes(tiny: Truth, tmp_path: Path, steps: int) -> None:
    """Its Trainer skips the batches of the epoch that it has had: they are read once more."""
    seen: list[list[str]] = []
    first = hugging_face(tiny.reader(**CHOICE), tmp_path, seen, True, save_strategy="steps", save_steps=steps)
    first.train()
    again: list[list[str]] = []
    hugging_face(tiny.reader(**CHOICE), tmp_path, again, True).train(str(tmp_path / f"checkpoint-{steps}"))
    assert again == seen[steps - steps % STEPS :]
    check(tiny, seen)


# --- Accelerate ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prepared", [False, True])
def test_accelerate_alone(tiny: Truth, prepared: bool) -> None:
    from accelerate import Accelerator

    accelerator, ds, seen = Accelerator(cpu=True), tiny.reader(**CHOICE), []
    loader = DataLoader(ds, batch_size=None)
    model, optimizer = accelerator.prepare(net := Net(), torch.optim.SGD(net.parameters(), 0.1))
    loader = accelerator.prepare(loader) if prepared else loader
    for _ in range(3):
        for images, labels, facts in loader:
            optimizer.zero_grad()
            accelerator.backward(loss_of(model, images, labels))
            optimizer.step()
            seen.append(facts["key"])
    assert len(loader) == STEPS
    check(tiny, seen)


def fingerprint(tiny: Truth, key: str) -> int:
    return zlib.crc32(tiny.pixels[key].tobytes())


@pytest.mark.long
def test_accelerate_on_two_ranks(tiny: Truth, tmp_path: Path) -> None:
    """Each reads its share; a loader that was prepared is refused on both."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(__file__).parent / "accelerated.py"), str(tiny.root), str(tmp_path)]
    ranks = [
        subprocess.Popen(command, env=os.environ | place | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(2)
    ]
    assert [rank.wait(timeout=60) for rank in ranks] == [0, 0]
    told = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    ds = tiny.reader(**CHOICE)
    expected = [sorted(fingerprint(tiny, key) for key in facts["key"]) for _ in range(3) for *_, facts in ds]
    assert len(expected) == 3 * STEPS
    assert {len(batch) for rank in told for batch in rank["seen"]} == {4}
    assert [sorted(a + b) for a, b in zip(told[0]["seen"], told[1]["seen"], strict=True)] == expected
    for rank in told:
        assert rank["length"] == STEPS
        assert len(rank["refused"]) == 2
        assert all(line.startswith("expected a loader that each of the 2 processes") for line in rank["refused"])
