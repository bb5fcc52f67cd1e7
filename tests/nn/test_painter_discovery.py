"""The networks that come along."""

import numpy as np
import pytest

from jnst.feedforward import load_painter, paint_with
from jnst.nn.painter_discovery import FOLDER, bundled, find_painter, open_painter


def test_they_are_small_and_say_where_they_come_from():
    files = list(FOLDER.glob("*.h5"))
    assert files and sum(path.stat().st_size for path in files) <= 3_000_000
    for path in files:
        facts = open_painter(find_painter(path)).facts
        assert facts["licence"] == "MIT" and "public domain" in facts["sources"]


def test_a_style_is_a_network_of_its_own(pictures):
    names = [name for name, found in bundled().items() if found.style is not None]
    assert len(names) >= 2
    whole = load_painter("paintings")
    assert whole.styles == tuple(names)
    seen = []
    for name in names:
        alone = load_painter(name)
        assert alone.styles == (name,)
        picture = np.asarray(paint_with(alone, pictures[0]))
        blend = paint_with(whole, pictures[0], styles={name: 1})
        np.testing.assert_allclose(picture, blend, atol=1e-4)
        seen.append(picture)
    assert np.abs(seen[0] - seen[1]).max() > 0.1


def test_other_names_are_refused_with_what_there_is():
    with pytest.raises(ValueError, match=r"no network moonlit_by \(did you mean 'moonlit_bay'"):
        load_painter("moonlit_by")
    with pytest.raises(ValueError, match=r"none\.h5 does not exist"):
        load_painter("none.h5")
