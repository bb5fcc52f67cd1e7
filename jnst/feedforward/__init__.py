"""Style transfer by networks that paint in one pass."""

from jnst._malloc import keep_memory as keep_memory
from jnst.feedforward.adain import AdaIN as AdaIN
from jnst.feedforward.adain import load_adain as load_adain
from jnst.feedforward.painting import load_painter as load_painter
from jnst.feedforward.painting import paint_with as paint_with
from jnst.feedforward.training import Trained as Trained
from jnst.feedforward.training import train as train
from jnst.feedforward.training_settings import Training as Training
from jnst.feedforward.transfer import fast as fast
from jnst.nn.painter import Painter as Painter
