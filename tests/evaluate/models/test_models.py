"""Models are loaded from each form, weights strictly and safely, and a model is left as it was."""

import logging
import os
import subprocess
import sys
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from layermix_gen.errors import LayerMixError
from layermix_gen.evaluate import run
from layermix_gen.evaluate.models import loading
from layermix_gen.evaluate.models.checkpoints import load_weights
from layermix_gen.evaluate.models.eval_mode import evaluating
from layermix_gen.evaluate.models.normalized import Normalized
from layermix_gen.evaluate.models.weights import weights_digest
from tests.evaluate.worlds import AS_THEY_ARE, load_from, write_cifar10, write_models
from tests.torchvision_on_cpu import allow_timm

IMAGES = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def load_model(spec, *given, **options):
    """The loaded model, which takes pixels as they are unless something else is said, or told by timm."""
    told = {} if str(spec).startswith("timm:") else AS_THEY_ARE
    return loading.load_model(spec, *given, **told | options)


def network():
    """A network that answers differently in training and in evaluation mode."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(3, 4, 3),
            norm=nn.BatchNorm2d(4),
            drop=nn.Dropout(0.5),
            pool=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            head=nn.Linear(4, 10),
        )
    )


@pytest.fixture
def exported(tmp_path):
    """An exported network that takes any number of images; its path and what it was made of."""
    model = network().eval()
    batch = torch.export.Dim("batch", min=1, max=1024)
    program = torch.export.export(model, (IMAGES[:2],), dynamic_shapes=({0: batch},))
    torch.export.save(program, tmp_path / "net.pt2")
    return tmp_path / "net.pt2", model


# --- forms -----------------------------------------------------------------------------------------------------------


def test_a_function_in_a_file(tmp_path):
    path = write_models(tmp_path)
    loaded = load_model(f"{path}:ten", mean=(0.5,), std=(0.25, 0.5, 1))
    expected = load_from(path, "ten")((IMAGES - 0.5) / torch.tensor([0.25, 0.5, 1]).reshape(3, 1, 1))
    torch.testing.assert_close(loaded(IMAGES), expected)
    assert loaded.normalization == "mean 0.5, std 0.25 0.5 1"


def test_timm_without_pretrained_weights():
    allow_timm()
    model = load_model("timm:resnet18", n_classes=7)
    assert model.eval()(IMAGES.repeat(1, 1, 4, 4)).shape == (4, 7)
    assert model.normalization == "mean 0.485 0.456 0.406, std 0.229 0.224 0.225"  # of timm's configuration
    other = load_model("timm:resnet18", n_classes=7, mean=(0.5,), std=(0.25,))
    assert other.normalization == "mean 0.5, std 0.25"
    again = load_model("timm:resnet18", n_classes=7)
    assert weights_digest(again) == weights_digest(model)
    assert weights_digest(load_model("timm:resnet18", n_classes=7, seed=1)) != weights_digest(model)


def test_drawing_weights_leaves_the_generator_as_it_was(tmp_path):
    before = torch.random.get_rng_state()
    load_model(f"{write_models(tmp_path)}:ten", seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_exported_models(exported):
    path, model = exported
    loaded = load_model(str(path))
    with evaluating(loaded), torch.no_grad():
        for count in (1, 3, 4):
            torch.testing.assert_close(loaded(IMAGES[:count]), model(IMAGES[:count]))


@pytest.mark.parametrize("layer", [nn.BatchNorm2d(3), nn.Dropout(0.5)])
def test_models_exported_in_training_mode_are_refused(tmp_path, layer):
    program = torch.export.export(nn.Sequential(layer, nn.Conv2d(3, 4, 3)).train(), (IMAGES,))
    torch.export.save(program, tmp_path / "net.pt2")
    with pytest.raises(LayerMixError, match="was exported in training mode; call eval"):
        load_model(str(tmp_path / "net.pt2"))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "resnet18",
            r"expected a model as PATH\.py:function, .*\(ARGUMENTS\), timm:NAME or PATH\.pt2, got 'resnet18'",
        ),
        ("models.py:missing", "expected missing.. in models.py to return a torch.nn.Module, found no such function"),
        ("models.py:number", "got int; change --model"),
        ("models.py:broken", "models.py:broken failed with NameError: name 'undefined_name' is not defined"),
        ("nowhere.py:net", "expected the Python file of a model at nowhere.py, found none"),
        ("nowhere.pt2", "expected a model at nowhere.pt2, found no file there"),
        (".pt2", "expected a model at .pt2, found no file there"),
        ("models.py:exits", "models.py:exits failed with SystemExit: 3; try it in Python"),
        ("quits.py:net", "quits.py:net failed with SystemExit: no weights here; try it in Python"),
        ("junk.pt2", r"expected a model that torch\.export\.save wrote in junk.pt2, got"),
        ("timm:no_such_net", "expected the name of a timm model, got 'no_such_net'"),
        ("timm:", "expected the name of a timm model, got ''; see timm.list_models"),
        ("timm:hf-hub:someone/model", "expected the name of a timm model, got 'hf-hub:someone/model'"),
        ("timm:resnet18.no_such_tag", "timm cannot make 'resnet18.no_such_tag': RuntimeError: Invalid pretrained tag"),
    ],
)
def test_models_that_cannot_be_loaded(spec, message, tmp_path, monkeypatch):
    allow_timm()
    monkeypatch.chdir(tmp_path)
    write_models(tmp_path)
    (tmp_path / "junk.pt2").write_bytes(b"junk")
    (tmp_path / "quits.py").write_text("raise SystemExit('no weights here')")
    with (tmp_path / "models.py").open("a") as file:
        file.write("\n\ndef exits():\n    raise SystemExit(3)\n")
    with pytest.raises(LayerMixError, match=message) as caught:
        load_model(spec)
    assert "\n" not in str(caught.value)


def test_ctrl_c_in_a_function_is_not_its_failure(tmp_path):
    (tmp_path / "net.py").write_text("def net():\n    raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_model(f"{tmp_path}/net.py:net")


def test_a_file_may_have_dataclasses(tmp_path):
    """A dataclass looks up the names in its annotations in its module, which has to be in `sys.modules`."""
    (tmp_path / "net.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom torch import nn\n\n"
        "@dataclass\nclass Width:\n    value: int = 7\n\ndef net():\n    return nn.Linear(3, Width().value)\n"
    )
    assert load_model(f"{tmp_path}/net.py:net").model.out_features == 7


def test_the_number_of_classes_is_checked(tmp_path):
    with pytest.raises(LayerMixError, match="classes must be a whole number from 0 on, got -3; change --classes"):
        load_model(f"{write_models(tmp_path)}:ten", n_classes=-3)


def test_exported_models_that_are_damaged_leave_one_line(exported, tmp_path, monkeypatch):
    """In another process, because a logger writes to the standard error that it found when it was made."""
    monkeypatch.chdir(tmp_path)
    whole = exported[0].read_bytes()
    (tmp_path / "truncated.pt2").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "folder.pt2").mkdir()
    with zipfile.ZipFile("other.pt2", "w") as archive:
        archive.writestr("a/b", "c")
    program = (
        "from layermix_gen.evaluate import load_model\nfrom layermix_gen.errors import LayerMixError\n"
        "for name in ('truncated', 'folder', 'other', 'missing'):\n"
        "    try:\n        load_model(f'{name}.pt2', mean=0, std=1)\n"
        "    except LayerMixError as error:\n        print(error)\n"
        "load_model('net.pt2', mean=0, std=1)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    truncated, folder, other, missing = done.stdout.splitlines()
    assert truncated.startswith("expected a model that torch.export.save wrote in truncated.pt2, got RuntimeError: Py")
    assert "failed finding central directory" in truncated
    assert 'hasRecord("version")' in other
    assert all(line.endswith("; export it again") for line in (truncated, other))
    assert folder == "expected a model at folder.pt2, found no file there; change --model"
    assert missing == "expected a model at missing.pt2, found no file there; change --model"


def test_the_log_of_export_is_as_it_was(tmp_path, caplog):
    (tmp_path / "junk.pt2").write_bytes(b"junk")
    with pytest.raises(LayerMixError, match="not a ZIP archive"):
        load_model(f"{tmp_path}/junk.pt2")
    assert not caplog.records
    logging.getLogger("torch.export").warning("heard")
    assert [record.message for record in caplog.records] == ["heard"]


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        ((0.5, 0.5), (1,)),
        ((0.5,), (0,)),
        ((0,), (1, -1, 1)),
        ((0,), (float("nan"),)),
        ((float("inf"),), (1,)),
        ((), (1,)),
        (0.5, 0),
        (float("nan"), 1),
        ("half", 1),
        (0.5, None),
        ([[0.5]], 1),
    ],
)
def test_normalization_is_checked(mean, std):
    with pytest.raises(LayerMixError, match="expected one finite number or three as mean and as std, which is above 0"):
        Normalized(network(), mean, std)


@pytest.mark.parametrize("kind", [float, lambda value: [value], lambda value: np.full(3, value), torch.tensor])
def test_normalization_by_numbers_of_any_kind(kind, tmp_path):
    path = write_models(tmp_path)
    loaded = load_model(f"{path}:ten", mean=kind(0.5), std=kind(0.25))
    torch.testing.assert_close(loaded(IMAGES), load_from(path, "ten")((IMAGES - 0.5) / 0.25))


def test_a_mean_of_zero_is_not_the_default():
    allow_timm()
    assert load_model("timm:resnet18", mean=0.0, std=1).normalization == "mean 0, std 1"


def test_a_file_may_import_its_neighbours(tmp_path):
    (tmp_path / "nets_beside_it.py").write_text("from torch import nn\nnet = nn.Identity\n")
    (tmp_path / "here.py").write_text("def make():\n    from nets_beside_it import net\n    return net()\n")
    before = list(sys.path)
    assert isinstance(load_model(f"{tmp_path / 'here.py'}:make").model, nn.Identity)
    assert sys.path == before
    assert "nets_beside_it" not in sys.modules


def write_repository(folder, number):
    """A repository whose modules have common names: a network that multiplies by `number`, and by that again."""
    (folder / "lib" / "deep").mkdir(parents=True)
    (folder / "lib" / "__init__.py").write_text("")
    (folder / "lib" / "deep" / "late.py").write_text(f"FACTOR = {number}\n")
    (folder / "spaces").mkdir()  # a package without __init__
    (folder / "spaces" / "more.py").write_text("from blocks import FACTOR\n")
    (folder / "blocks.py").write_text(f"FACTOR = {number}\n")
    (folder / "net.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom torch import nn\n"
        "from blocks import FACTOR\n\n"
        "@dataclass\nclass Options:\n    factor: int = FACTOR\n\n"
        "class Net(nn.Module):\n    def forward(self, images):\n"
        "        import lib.deep.late\n        from spaces.more import FACTOR as again\n"
        "        assert again == FACTOR\n"
        "        return images.mean((2, 3)) * Options().factor * lib.deep.late.FACTOR\n"
    )
    return f"{folder}/net.py:Net"


def test_models_of_two_folders_import_what_is_beside_each(tmp_path):
    """Both while they are loaded and while they run alternately."""
    before, modules = list(sys.path), set(sys.modules)
    models = [load_model(write_repository(tmp_path / str(number), number)) for number in (2, 3)]
    mean = IMAGES.mean((2, 3))
    for _ in range(2):
        for model, number in zip(models, (2, 3), strict=True):
            torch.testing.assert_close(model(IMAGES), number**2 * mean)
    assert sys.path == before
    left = set(sys.modules) - modules
    assert not left & {"blocks", "lib", "lib.deep", "lib.deep.late", "spaces", "spaces.more"}
    assert len([name for name in left if name.startswith("layermix_gen_model_net_")]) == 2  # each by its own name


def test_a_module_that_is_there_already_is_left_there(tmp_path, monkeypatch):
    """A name that the program uses itself means the program's own module again after the model ran."""
    model = load_model(write_repository(tmp_path / "2", 2))
    other = ModuleType("blocks")
    monkeypatch.setitem(sys.modules, "blocks", other)
    torch.testing.assert_close(model(IMAGES), 4 * IMAGES.mean((2, 3)))
    assert sys.modules["blocks"] is other


def test_what_is_installed_in_the_folder_stays_imported(tmp_path, monkeypatch):
    """Libraries in its .venv, for example, may not be imported twice."""
    packages = tmp_path / ".venv" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "library_of_the_folder.py").write_text("")
    (tmp_path / "net.py").write_text("import library_of_the_folder\nfrom torch.nn import Identity\n")
    monkeypatch.syspath_prepend(packages)
    load_model(f"{tmp_path}/net.py:Identity")
    assert sys.modules.pop("library_of_the_folder")


def test_a_failure_leaves_imports_as_they_were(tmp_path):
    (tmp_path / "half.py").write_text("")
    (tmp_path / "net.py").write_text("import half\nhalf.missing\n")
    before = list(sys.path)
    with pytest.raises(LayerMixError, match="AttributeError: module 'half' has no attribute 'missing'; try it"):
        load_model(f"{tmp_path}/net.py:net")
    assert sys.path == before
    assert "half" not in sys.modules


@pytest.mark.parametrize("spec", [None, 3, Path("net.pt2")])
def test_a_model_is_named_by_a_text(spec):
    with pytest.raises(LayerMixError, match=r"expected a model as PATH\.py:function, .* got \w+; change the model"):
        load_model(spec)


def test_what_is_no_module():
    for call in (lambda: Normalized(None), lambda: evaluating(None).__enter__()):  # type: ignore[arg-type]
        with pytest.raises(LayerMixError, match=r"expected a torch\.nn\.Module, got NoneType; give PATH"):
            call()


# --- weights ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "_orig_mod.module.", "model.", "model._orig_mod."])
@pytest.mark.parametrize("holder", [None, "model", "model_state_dict", "state_dict", "net"])
def test_checkpoints_as_training_scripts_write_them(tmp_path, prefix, holder):
    trained, fresh = network(), network()
    state = {prefix + name: value for name, value in trained.state_dict().items()}
    torch.save({holder: state, "epoch": 3} if holder else state, tmp_path / "last.pt")
    load_weights(fresh, tmp_path / "last.pt")
    assert weights_digest(fresh) == weights_digest(trained)


def test_settings_are_no_weights(tmp_path):
    """Training scripts keep settings under such names, too."""
    trained, fresh = network(), network()
    inner = {"epoch": 3, "model": {"name": "net", "width": 4}, "ema": {"decay": 0.99}, "net": {}}
    torch.save({"model": inner | {"state_dict": trained.state_dict()}}, tmp_path / "last.pt")
    load_weights(fresh, tmp_path / "last.pt")
    assert weights_digest(fresh) == weights_digest(trained)


@pytest.mark.parametrize("holder", [None, "model"])
def test_an_averaged_model(tmp_path, holder):
    trained, fresh = network(), network()
    state = AveragedModel(trained, use_buffers=True).state_dict()
    assert "n_averaged" in state
    torch.save({holder: state} if holder else state, tmp_path / "swa.pt")
    load_weights(fresh, tmp_path / "swa.pt")
    assert weights_digest(fresh) == weights_digest(trained)


def test_an_averaged_model_may_be_the_model_itself(tmp_path):
    trained, fresh = AveragedModel(network()), AveragedModel(network())
    torch.save(trained.state_dict(), tmp_path / "swa.pt")
    load_weights(fresh, tmp_path / "swa.pt")
    assert weights_digest(fresh) == weights_digest(trained)


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        (("state_dict", "state_dict_ema"), "'state_dict' and 'state_dict_ema'"),
        (("model_ema", "model", "optimizer"), "'model' and 'model_ema'"),
        (("net", "ema"), "'net' and 'ema'"),
        (("net", "state_dict", "ema"), "'net', 'state_dict' and 'ema'"),
    ],
)
def test_of_several_models_none_is_taken(tmp_path, monkeypatch, keys, named):
    """A moving average, often the one that is meant, has other errors than the weights that it averages."""
    monkeypatch.chdir(tmp_path)
    torch.save({key: network().state_dict() for key in keys} | {"epoch": 3}, "last.pt")
    with pytest.raises(LayerMixError) as caught:
        load_weights(network(), Path("last.pt"))
    assert str(caught.value) == (
        f"expected the weights of one model in last.pt, found {named}; save the ones to evaluate alone by torch.save"
    )


def test_checkpoints_that_do_not_fit(tmp_path):
    path = tmp_path / "last.pt"
    model = network()
    other = {**model.state_dict(), "head.weight": torch.zeros(100, 4), "tail.bias": torch.zeros(3)}
    del other["norm.running_mean"]
    torch.save(other, path)
    before = weights_digest(model)
    with pytest.raises(LayerMixError) as caught:
        load_weights(model, path)
    assert str(caught.value) == (
        f"{path} does not fit the model: expected head.weight as float (10, 4), found float (100, 4); it lacks 1 "
        "weight such as norm.running_mean; it has 1 unknown weight such as tail.bias; give the model that was trained"
    )
    assert weights_digest(model) == before


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model."])
def test_a_prefix_that_the_model_has_itself_is_kept(tmp_path, prefix):
    trained, fresh = (nn.Sequential(OrderedDict([(prefix[:-1], network())])) for _ in range(2))
    torch.save(trained.state_dict(), tmp_path / "last.pt")
    load_weights(fresh, tmp_path / "last.pt")
    assert weights_digest(fresh) == weights_digest(trained)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda weight: weight.to(torch.complex64), "complex"),
        (lambda weight: weight.to(torch.int8), "integer"),
        (lambda weight: weight.to_sparse(), "sparse float"),
        (lambda weight: weight.to("meta"), "meta float"),
        (lambda weight: torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8), "quantized integer"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_weights_of_another_kind_do_not_fit(tmp_path, change, found):
    """PyTorch would copy some of them and lose what they are."""
    state = network().state_dict()
    torch.save({**state, "head.weight": change(state["head.weight"])}, tmp_path / "last.pt")
    with pytest.raises(LayerMixError) as caught:
        load_weights(network(), tmp_path / "last.pt")
    assert f"expected head.weight as float (10, 4), found {found} (10, 4); give" in str(caught.value)


def test_a_weight_may_be_called_model(tmp_path):
    class Scale(nn.Module):
        def __init__(self, value):
            super().__init__()
            self.model = nn.Parameter(torch.tensor([value]))

    torch.save(Scale(2.0).state_dict(), tmp_path / "last.pt")
    model = Scale(1.0)
    load_weights(model, tmp_path / "last.pt")
    assert model.model.item() == 2


def test_a_weight_where_the_model_keeps_something_else(tmp_path):
    class Packed(nn.Module):
        def get_extra_state(self):
            return (1, 2)

    torch.save({"_extra_state": torch.zeros(3)}, tmp_path / "last.pt")
    with pytest.raises(LayerMixError, match=r"expected _extra_state as tuple, found float \(3,\); give the model"):
        load_weights(Packed(), tmp_path / "last.pt")


def test_half_precision_is_loaded(tmp_path):
    state = network().half().state_dict()
    torch.save(state, tmp_path / "last.pt")
    model = network()
    load_weights(model, tmp_path / "last.pt")
    assert torch.equal(model.head.weight, state["head.weight"].float())


REFUSED = "as weights alone (it holds more than weights, or is damaged); save the model's state_dict() alone"


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "expected a checkpoint at last.pt, found no file there; change --checkpoint"),
        (lambda path: path.mkdir(), "expected a checkpoint at last.pt, found no file there; change --checkpoint"),
        (lambda path: path.write_bytes(b"junk"), "as weights alone (error: unpack requires a buffer of 4 bytes); save"),
        (
            lambda path: path.write_bytes(b'{"a": 1}'),
            REFUSED,
        ),
        (
            lambda path: torch.save(network(), path),
            REFUSED,
        ),
        (lambda path: torch.jit.save(torch.jit.script(network()), path), REFUSED),
        (
            lambda path: torch.save({"epoch": 3}, path),
            "expected the weights of a model by name in last.pt, alone",
        ),
        (lambda path: torch.save({1: torch.zeros(2)}, path), "expected the weights of a model by name in last.pt"),
        (lambda path: torch.save([torch.zeros(2)], path), "expected the weights of a model by name in last.pt"),
        (lambda path: torch.save({}, path), "last.pt does not fit the model: it lacks 9 weights such as conv.bias"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_checkpoints_that_are_something_else(tmp_path, monkeypatch, write, message):
    monkeypatch.chdir(tmp_path)
    write(Path("last.pt"))
    with warnings.catch_warnings(action="error"), pytest.raises(LayerMixError) as caught:
        load_weights(network(), Path("last.pt"))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "weights_only" not in str(caught.value)  # whose False runs what the file holds


class Harm:
    """What a malicious pickle would do."""

    def __reduce__(self):
        return os.mkdir, ("harm",)


def test_a_checkpoint_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Harm()}, "last.pt")
    with pytest.raises(LayerMixError, match=r"cannot read last\.pt as weights alone"):
        load_model(f"{write_models(tmp_path)}:ten", "last.pt")
    assert not (tmp_path / "harm").exists()


def test_exported_models_take_no_checkpoint(exported):
    with pytest.raises(LayerMixError, match="which holds its weights; leave --checkpoint out"):
        load_model(str(exported[0]), "last.pt")


def lazy():
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(10))


def on_meta():
    return network().to("meta")


def sparse(layout=torch.sparse_coo):
    model = network()
    model.head.weight = nn.Parameter(model.head.weight.detach().to_sparse(layout=layout))
    return model


def of_inference_mode():
    with torch.inference_mode():
        return network()


def lazy_buffer():
    model = network()
    model.norm.running_var = nn.UninitializedBuffer()
    return model


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lazy, "got 0.weight, a lazy one without a shape; run the model once on an image before you return it"),
        (lazy_buffer, "got norm.running_var, a lazy one without a shape; run the model once"),
        (on_meta, "got conv.weight, one on the meta device, without numbers; make the model on the CPU"),
        (sparse, "got head.weight, one of layout torch.sparse_coo; make it dense by to_dense()"),
        (of_inference_mode, "got conv.weight, one of inference_mode; make the model outside of torch.inference_mode()"),
        (lambda: sparse(torch.sparse_csr), "got head.weight, one of layout torch.sparse_csr; make it dense"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_models_without_weights_of_their_own(tmp_path, monkeypatch, make, message):
    """They are refused in every use: evaluation mode, a checkpoint, a run of a module and of a function."""
    model = make()
    with pytest.raises(LayerMixError) as caught, evaluating(model):
        pass
    assert message in str(caught.value)
    write_cifar10(tmp_path)
    with pytest.raises(LayerMixError) as caught:
        run(make(), {"clean": tmp_path}, tmp_path / "results", progress=False)
    assert message in str(caught.value)
    monkeypatch.setattr("layermix_gen.evaluate.models.loading._load", lambda spec, n_classes: model)
    torch.save(network().state_dict(), tmp_path / "last.pt")
    with pytest.raises(LayerMixError) as caught:
        load_model("net.py:net", tmp_path / "last.pt")
    assert message in str(caught.value)
    assert not (tmp_path / "results").exists()


# --- modes -----------------------------------------------------------------------------------------------------------


def test_a_model_is_left_as_it_was():
    model = network().train()
    model.norm.eval()
    model.head.weight.requires_grad_(False)
    flags = [module.training for module in model.modules()]
    gradients = [weight.requires_grad for weight in model.parameters()]
    statistics = model.norm.running_mean.clone()
    with evaluating(model):
        assert not any(module.training for module in model.modules())
        assert not any(weight.requires_grad for weight in model.parameters())
        model(IMAGES)
    assert [module.training for module in model.modules()] == flags
    assert [weight.requires_grad for weight in model.parameters()] == gradients
    assert torch.equal(model.norm.running_mean, statistics)
    with pytest.raises(ValueError, match="stop"), evaluating(model):
        raise ValueError("stop")
    assert [module.training for module in model.modules()] == flags


def test_a_model_that_stays_in_training_mode_is_refused():
    class Stubborn(nn.Dropout):
        def train(self, mode=True):
            self.training = True
            return self

    model = nn.Sequential(OrderedDict(body=Stubborn()))
    with pytest.raises(LayerMixError, match="found body in training mode"), evaluating(model):
        pass


def test_own_ways_of_changing_mode_are_used():
    class Merging(nn.Linear):
        merged = False

        def train(self, mode=True):
            self.merged = not mode
            return super().train(mode)

    model = nn.Sequential(Merging(2, 2))
    with evaluating(model):
        assert model[0].merged
    assert not model[0].merged
    assert model[0].training


def test_the_digest_is_of_names_and_values():
    model = network()
    before = weights_digest(model)
    with torch.no_grad():
        model.norm.running_var[2] += np.float32(1e-6)
    assert weights_digest(model) != before


def test_the_digest_is_of_names():
    with torch.random.fork_rng():
        first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    one, other = (nn.Sequential(OrderedDict([(name, first), ("z", second)])) for name in "ab")
    assert weights_digest(one) != weights_digest(other)


def test_the_digest_is_of_what_is_no_tensor_too():
    """The packed weights of quantized layers, for example, are no tensors."""

    class Packed(nn.Linear):
        packed = 1.0

        def get_extra_state(self):
            return {"packed": (torch.full((3000,), self.packed), "scale")}

    one, other = Packed(2, 2), Packed(2, 2)
    other.load_state_dict(one.state_dict() | {"_extra_state": None}, strict=False)
    assert weights_digest(one) == weights_digest(other)
    other.packed = 1.5
    assert weights_digest(one) != weights_digest(other)


# --- arguments, and what checkpoints tell -----------------------------------------------------------------------------

MAKERS = """
from torch import nn

def make(name, width, bias=True):
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, width, bias=bias))
    net.name = name
    return net
"""


@pytest.mark.parametrize(
    ("arguments", "name", "width", "bias"),
    [
        ("wrn-40-4, 7", "wrn-40-4", 7, True),
        ("'a b', 7, bias=False", "a b", 7, False),
        (" name = res.net , width=9 ", "res.net", 9, True),
        ("1e-3,3,0", 1e-3, 3, 0),
    ],
)
def test_a_function_may_take_arguments(tmp_path, arguments, name, width, bias):
    (tmp_path / "net.py").write_text(MAKERS)
    model = load_model(f"{tmp_path}/net.py:make({arguments})").model
    assert (model.name, model[2].out_features, model[2].bias is not None) == (name, width, bool(bias))


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ("a b", "'a b'"),
        ("1,,2", "''"),
        ("width=3, x", "'x'"),
        ("__import__('os')", "\"__import__('os')\""),
        ("x=", "'x='"),
    ],
)
def test_other_arguments_are_refused(tmp_path, arguments, found):
    (tmp_path / "net.py").write_text(MAKERS)
    with pytest.raises(LayerMixError) as caught:
        load_model(f"{tmp_path}/net.py:make({arguments})")
    assert f"expected numbers or words as arguments of a model, and after them any by name, got {found} in " in str(
        caught.value
    )


def test_arguments_that_do_not_fit(tmp_path):
    (tmp_path / "net.py").write_text(MAKERS)
    with pytest.raises(LayerMixError, match=r"net.py:make failed with TypeError: make\(\) missing 1 required"):
        load_model(f"{tmp_path}/net.py:make(wrn)")


def test_mean_and_std_have_to_be_known(tmp_path):
    spec = f"{write_models(tmp_path)}:ten"
    with pytest.raises(
        LayerMixError, match=r"^expected mean and std of the pixels in \[0, 1\] that .*models.py:ten was"
    ):
        loading.load_model(spec)
    with pytest.raises(
        LayerMixError, match="found none; give --mean and --std: 0 and 1, if it takes pixels as they are"
    ):
        loading.load_model(spec, mean=0.5)


def test_a_checkpoint_tells_mean_and_std(tmp_path):
    spec, path = f"{write_models(tmp_path)}:ten", tmp_path / "last.pt"
    about = {"model": "models.py:ten", "mean": [0.5], "std": (0.1, 0.2, 0.3)}
    torch.save({"model": load_model(spec).model.state_dict(), "layermix_gen": about}, path)
    assert loading.load_model(spec, path).normalization == "mean 0.5, std 0.1 0.2 0.3"
    assert loading.load_model(spec, path, mean=0, std=1).normalization == "mean 0, std 1"
    assert loading.load_model(spec, path, mean=0.25).normalization == "mean 0.25, std 0.1 0.2 0.3"


def test_a_checkpoint_may_tell_a_model_of_timm_but_no_file_is_run_that_it_names(tmp_path):
    path, marker = tmp_path / "last.pt", tmp_path / "run"
    weights = load_model("timm:resnet18", n_classes=7).model.state_dict()
    torch.save({"model": weights, "layermix_gen": {"model": "timm:resnet18", "mean": [0.5], "std": [0.5]}}, path)
    assert loading.load_model("", path, n_classes=7).normalization == "mean 0.5, std 0.5"
    (tmp_path / "evil.py").write_text(f"open({str(marker)!r}, 'w')")
    torch.save({"model": weights, "layermix_gen": {"model": f"{tmp_path}/evil.py:net"}}, path)
    with pytest.raises(
        LayerMixError, match=r"got none; the checkpoint tells of '.*evil.py:net': if you trust that file, give"
    ):
        loading.load_model("", path)
    assert not marker.exists()
    with pytest.raises(LayerMixError, match=r"got none; give it as --model$"):
        loading.load_model("")


@pytest.mark.parametrize(
    "about", [3, {"model": 3}, {"mean": "0.5"}, {"std": [1]}, {"std": ["a"]}, {"mean": torch.ones(1)}]
)
def test_what_a_checkpoint_tells_in_another_form(tmp_path, about):
    spec, path = f"{write_models(tmp_path)}:ten", tmp_path / "last.pt"
    torch.save({"model": load_model(spec).model.state_dict(), "layermix_gen": about}, path)
    with pytest.raises(LayerMixError, match="under 'layermix_gen' in "):
        loading.load_model(spec, path)
