"""How models are run and attacked: settings that are made without torch, so that the help of commands needs none."""

from dataclasses import dataclass

from layermix_gen.evaluate.arguments import check_real
from layermix_gen.evaluate.benchmarks import PGD
from layermix_gen.support.checks import check_choice, check_seed, check_whole

TEMPERATURES = (1e-6, 1e6)  # with which logits of any model remain finite
PRECISIONS = {"float32": "", "bf16": "bfloat16", "fp16": "float16"}  # and torch's names of the types of mixed precision


@dataclass(frozen=True, slots=True)
class Attack:
    """The settings of the attack by PGD.

    The variant "correct" stays within `epsilon` of the image. "released" does as the authors' code: it adds the random
    start to the image itself and stays within `epsilon` of the sum, so up to twice as far from the image. `restarts` is
    how many random starts are tried; the one that misleads the model most counts. The starts of an image depend on
    `seed` and the image's number in the suite alone, not on the batches.
    """

    variant: str = "correct"
    epsilon: float = 2 / 255
    steps: int = 20
    step_size: float = 0.5 / 255
    restarts: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("variant of PGD", self.variant, PGD, change="variant=")
        for name, share in (("epsilon", self.epsilon), ("step size", self.step_size)):
            check_real(name, share, 0, 1, "pixels are in [0, 1]: 2/255 is 0.00784", above=True)
        for name in ("steps", "restarts"):
            check_whole(name, getattr(self, name), 1, change=f"{name}=")
        check_seed(self.seed)


@dataclass(frozen=True, slots=True)
class Forward:
    """How a model is run: on which device, with which batch size and precision (float32, bf16 or fp16).

    `temperature` divides the logits before confidences are taken from them; attacks are not changed by it.
    """

    device: str = "cpu"
    batch_size: int = 256
    precision: str = "float32"
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.device != "cpu":  # which is there
            from layermix_gen.reading.device import as_device  # imported here, as torch takes 1.5 s

            as_device(self.device)
        check_whole("batch size", self.batch_size, 1)
        check_real("temperature", self.temperature, *TEMPERATURES, "give what find_temperature returns")
        check_choice("precision", self.precision, PRECISIONS, change="--amp")
