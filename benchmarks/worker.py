"""One framework in a process of its own, told by `unet.py` over standard input what to run next, one JSON a line.

Each framework has its own threads and its own share of the GPU's memory; only the one that is being timed works.
"""

import json
import os
import sys
import time
import types
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # three frameworks share one GPU here


def stand_in_for_jaxtyping() -> None:
    """Shapes in signatures mean nothing at run time; a machine without jaxtyping can do without."""
    try:
        import jaxtyping  # noqa: F401
    except ImportError:
        anything = type("Anything", (), {"__class_getitem__": classmethod(lambda cls, _: cls)})
        module = types.ModuleType("jaxtyping")
        module.__getattr__ = lambda _: anything
        sys.modules["jaxtyping"] = module


def rival(name: str):
    """The framework called `name`, imported now and not before."""
    if name == "jax":
        from ours_jax import Rival

        return Rival()
    if name == "keras":
        from rival_keras import Rival

        return Rival()
    from rival_torch import Rival

    return Rival(compiled=name == "torch compiled")


def prepare(framework, request: dict):
    """What to call to run a case a number of times, and its number of weights; None where there is no such case."""
    from flaxgal.config import UNetConfig, from_json

    if request["task"] == "matmul":
        return framework.matmul(request["dtype"], request["size"])
    config = from_json(UNetConfig, request["config"])
    if request["task"] == "predict":
        return framework.predict(config, request["batch"])
    return framework.train(config, request["batch"], augment=request["augment"], scan=request["scan"])


def timed(run, steps: int) -> dict:
    start, cpu = time.perf_counter(), time.process_time()
    run(steps)
    return {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a framework prints goes to standard error
    sys.path[:0] = [str(FOLDER), str(FOLDER.parent)]
    stand_in_for_jaxtyping()
    framework, run = None, None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "start":
                framework = rival(request["name"])
                answer = framework.describe()
            elif request["do"] == "prepare":
                run = None
                prepared = prepare(framework, request)
                if prepared is None:
                    answer = {"absent": True}
                else:
                    run, parameters = prepared
                    answer = {"parameters": parameters, "first_call_s": timed(run, request["steps"])["seconds"]}
            else:
                answer = timed(run, request["steps"])
        except Exception as error:  # one framework's failure is reported, and the others go on
            answer = {"error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
