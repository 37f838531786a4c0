"""Where what XLA compiles is kept, so that it is compiled once and not at every start. To be called before JAX."""

import os
from pathlib import Path

__all__ = ["keep_compiled"]


def keep_compiled() -> None:
    """Have JAX keep compiled programs in the user's cache folder, unless JAX_COMPILATION_CACHE_DIR says where."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "flaxgal" / "compiled"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
