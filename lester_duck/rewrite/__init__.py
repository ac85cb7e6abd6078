"""From a script to a pipeline that was seen to agree with it: observe, propose, judge, repair."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Package(ModuleType):
    """Callable: importing this package binds it to the name of the API's function, ``lester_duck.rewrite``."""

    def __call__(self, script: Any, **options: Any) -> Any:
        from lester_duck.rewrite.rewrite import rewrite

        return rewrite(script, **options)


sys.modules[__name__].__class__ = _Package
