"""Results of functions of a cutout, kept for who asks again, while the cutout itself may go."""

import functools
import weakref
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from flaxgal.survey.cutout import Cutout

__all__ = ["remembered"]

Rest = ParamSpec("Rest")
Result = TypeVar("Result")


def remembered(
    number: int,
) -> Callable[[Callable[Concatenate[Cutout, Rest], Result]], Callable[Concatenate[Cutout, Rest], Result]]:
    """A decorator that keeps the last `number` results of a function of a cutout, and lets the cutouts go."""

    def decorate(
        compute: Callable[Concatenate[Cutout, Rest], Result],
    ) -> Callable[Concatenate[Cutout, Rest], Result]:
        @functools.lru_cache(maxsize=number)
        def computed(galaxy: Callable[[], Any], /, *args: Any, **options: Any) -> Any:
            return compute(galaxy(), *args, **options)

        @functools.wraps(compute)
        def recalled(cutout: Cutout, /, *args: Rest.args, **options: Rest.kwargs) -> Result:
            return computed(weakref.ref(cutout), *args, **options)

        return recalled

    return decorate
