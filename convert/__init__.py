"""Weights of PyTorch, safetensors and Keras files, for jnst. Nothing here needs PyTorch."""

from jnst.convert.decoders import read_decoder_source as read_decoder_source
from jnst.convert.fetch import TORCHVISION_URL as TORCHVISION_URL
from jnst.convert.fetch import download as download
from jnst.convert.fetch import torchvision_url as torchvision_url
from jnst.convert.painters import read_painter_source as read_painter_source
from jnst.convert.reader import read as read
