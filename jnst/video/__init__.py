"""Videos painted so that they are coherent in time."""

from jnst.video.clip import Window as Window
from jnst.video.flow import Motion as Motion
from jnst.video.flow import dis_flow as dis_flow
from jnst.video.flow import motion_between as motion_between
from jnst.video.flow import reliability as reliability
from jnst.video.measuring import sharpness as sharpness
from jnst.video.measuring import warp_error as warp_error
from jnst.video.painted import Measured as Measured
from jnst.video.painted import PaintedFrame as PaintedFrame
from jnst.video.reading import open_clip as open_clip
from jnst.video.stylization import VideoResult as VideoResult
from jnst.video.stylization import stylize_video as stylize_video
from jnst.video.warping import warp as warp
from jnst.video.writing import Encoding as Encoding
