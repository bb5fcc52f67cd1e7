"""Pictures of networks made steady.

A frame's picture is mixed with the last one, moved along:

    o_t = s_t + w · m · (ω(o_{t−1}) − s_t)

where s_t is what the network paints, ω warps along the optical flow, m says how far that is trusted
and w is the weight. As the last picture holds those before it in turn, what is seen for long
becomes steady, while what is new is painted afresh. Detail that this blurs is given back; see
`jnst.video.detail`.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jnst.image.color import keep_colors
from jnst.video.detail import with_detail_of
from jnst.video.warping import warp

SMOOTH = 0.7
MOST_SMOOTH = 0.95
"""More would leave nothing of a frame's own picture."""


def with_colors(
    colors: str, frame: Float[Array, "H W 3"], picture: Float[Array, "H W 3"]
) -> Float[Array, "H W 3"]:
    """The picture, with the frame's own chrominance if that is what `colors` says."""
    return keep_colors(picture, frame) if colors == "luminance" else picture


def mixed(
    picture: Float[Array, "H W 3"],
    last: Float[Array, "H W 3"] | None,
    moved: tuple[Float[Array, "H W 2"], Float[Array, "H W"]] | None,
) -> Float[Array, "H W 3"]:
    """A picture mixed with the last one, moved by (flow, weight); None: as it is."""
    if last is None or moved is None:
        return picture
    flow, weight = moved
    before = warp(last, flow)
    steady = picture + weight[..., None] * (before - picture)
    return jnp.clip(with_detail_of(steady, picture), 0, 1)
