from .building.builder import build as build
from .building.estimator import estimate as estimate
from .dataset.manifest import Manifest as Manifest
from .dataset.settings import BuildSettings as BuildSettings
from .errors import BadImage as BadImage
from .errors import Interrupted as Interrupted
from .errors import LayerMixError as LayerMixError
from .inspection.drawings.sheet import contact_sheet as contact_sheet
from .inspection.drawings.tree import recipe_tree as recipe_tree
from .inspection.shards import open_shards as open_shards
from .mixing.methods.augmix import AugMixOptions as AugMixOptions
from .mixing.methods.ipmix import IPMixOptions as IPMixOptions
from .mixing.methods.layermix import LayerMixOptions as LayerMixOptions
from .mixing.methods.pixmix import PixMixOptions as PixMixOptions
from .mixing.recipe import parse as parse
from .mixing.renderer import render as render
from .mixing_sets.mixing_set import MixingSet as MixingSet
from .mixing_sets.mixing_set import open_mixing_set as open_mixing_set
from .mixing_sets.packing import pack as pack
from .online import LayerMix as LayerMix
from .online import Mixer as Mixer
from .reading.device import normalize as normalize
from .reading.reader import LayerMixDataset as LayerMixDataset

__version__: str
