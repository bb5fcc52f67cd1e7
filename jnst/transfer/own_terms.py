"""Terms of one's own beside ours."""

from collections.abc import Callable, Sequence
from typing import Any

from jaxtyping import Array

from jnst.losses.terms import Term
from jnst.nn.backbone import Backbone

OwnTerm = Term | Callable[[Backbone, Array], Term]
"""A term of one's own, or `make(model, content)` that makes one for the content at each size."""


def check_own(terms: Any) -> tuple[OwnTerm, ...]:
    """Terms of one's own as a tuple; raises TypeError unless each is a term or makes one."""
    if not isinstance(terms, list | tuple):
        raise TypeError(f"terms must be a list of jnst.Term objects, got {terms!r}")
    for term in terms:
        if not callable(term) and not hasattr(term, "statistics"):
            raise TypeError(
                f"terms must be jnst.Term objects or functions that make one, got {term!r}"
            )
    return tuple(terms)


def make_own(own: Sequence[OwnTerm], model: Backbone, content: Array) -> list[Term]:
    """The terms of one's own for a content image."""
    made = [term if isinstance(term, Term) else term(model, content) for term in own]
    for term in made:
        if not isinstance(term, Term):
            raise TypeError(f"terms must be jnst.Term objects or make some, got {term!r}")
    return made


def check_names(names: Sequence[str]) -> None:
    """Raise ValueError unless every term has a name of its own, which its loss is reported by."""
    for name in names:
        if name == "total" or names.count(name) > 1:
            raise ValueError(
                f"terms must have different names, none of them 'total', got {', '.join(names)}"
            )
