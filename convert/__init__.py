"""VGG weights of PyTorch, safetensors and Keras files, for jnst. Nothing here needs PyTorch."""

from jnst.convert.fetch import TORCHVISION_URL as TORCHVISION_URL
from jnst.convert.fetch import download as download
from jnst.convert.fetch import torchvision_url as torchvision_url
from jnst.convert.reader import read as read
