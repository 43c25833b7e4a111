"""Values that the actors pass to each other: unchangeable to the type checkers, and made quickly.

A value is made for every message, a dozen for a request. To have each of its fields guarded while the program runs,
too, as `attrs.frozen` does, makes that four times as slow, which is nearly a tenth of a request in all
(``benchmarks/run.py --only router``). What is handed to users is frozen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform, overload

from attrs import define, field

T = TypeVar("T")


@overload
def value(cls: type[T]) -> type[T]: ...
@overload
def value(*, eq: bool = True) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T] | None = None, *, eq: bool = True) -> Any:
    """Make a class one of values: slots, equal if all fields are (unless `eq` says no), and never to be changed."""
    make: Callable[[type[T]], type[T]] = define(eq=eq)
    return make if cls is None else make(cls)
