"""Neural style transfer as pure JAX functions.

>>> import jnst
>>> model = jnst.load_vgg19()                                        # doctest: +SKIP
>>> content, style = jnst.load_image("photo.jpg", 512), jnst.load_image("painting.jpg", 512)
...                                                                  # doctest: +SKIP
>>> jnst.save_image("out.png", jnst.stylize(model, content, style).image)  # doctest: +SKIP
"""

from jnst.grid import GridProgress as GridProgress
from jnst.grid import GridResult as GridResult
from jnst.grid import stylize_grid as stylize_grid
from jnst.images import load_image as load_image
from jnst.images import save_image as save_image
from jnst.losses import content_loss as content_loss
from jnst.losses import gram_matrix as gram_matrix
from jnst.losses import style_loss as style_loss
from jnst.losses import total_variation as total_variation
from jnst.objective import LossWeights as LossWeights
from jnst.objective import Targets as Targets
from jnst.objective import loss_terms as loss_terms
from jnst.objective import make_targets as make_targets
from jnst.objective import objective as objective
from jnst.settings import Settings as Settings
from jnst.sheets import save_sheet as save_sheet
from jnst.sheets import save_trade_off as save_trade_off
from jnst.stylize import Progress as Progress
from jnst.stylize import Result as Result
from jnst.stylize import stylize as stylize
from jnst.version import __version__ as __version__
from jnst.vgg import LAYERS as LAYERS
from jnst.vgg import VGG19 as VGG19
from jnst.weights import load_vgg19 as load_vgg19
