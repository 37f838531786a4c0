"""How fast is the U-Net: a training step and prediction in JAX, in Keras 3 on TensorFlow and in PyTorch, interleaved.

    python benchmarks/unet.py

times the seed's network and our default, at batch 16 and 256, prints medians, ratios, FLOP/s and their share of the
machine's own matrix-multiply peak, and writes JSON to benchmarks/results/. Frameworks that are not installed are named
and left out: benchmarks/requirements.txt has them.
"""

import argparse
import dataclasses
import itertools
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent)]

import machine  # noqa: E402
from flops import forward_flops, step_flops  # noqa: E402

from flaxgal.config import DEFAULT_UNET, SEED_UNET, to_json  # noqa: E402

FRAMEWORKS = ("jax", "keras", "torch", "torch compiled")
NETWORKS = {"seed": SEED_UNET, "default": DEFAULT_UNET}
TASKS = ("train", "train+augment", "train, 20 a dispatch", "predict")


@dataclasses.dataclass(frozen=True)
class Case:
    """One thing to time in every framework that can do it."""

    network: str
    task: str
    batch: int
    dtype: str

    @property
    def config(self):
        return dataclasses.replace(NETWORKS[self.network], dtype=self.dtype)

    @property
    def flops(self) -> int:
        """Of one step or one batch."""
        return self.batch * (forward_flops if self.task == "predict" else step_flops)(self.config)

    def request(self) -> dict:
        """What a worker is told."""
        return {
            "task": "predict" if self.task == "predict" else "train",
            "augment": self.task == "train+augment",
            "scan": self.task == "train, 20 a dispatch",
            "batch": self.batch,
            "config": to_json(self.config),
        }


class Worker:
    """One framework, in a process of its own."""

    def __init__(self, name: str):
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, FOLDER / "worker.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # frameworks chat; what goes wrong is in the answers
        )
        self.description = self.ask(do="start", name=name)

    def ask(self, **request) -> dict:
        """The worker's answer; an "error" when it failed, died or was never there."""
        try:
            self.process.stdin.write((json.dumps(request) + "\n").encode())
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline() or '{"error": "the process died"}')
        except BrokenPipeError:
            return {"error": "the process died"}

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def interleave(workers: list[Worker], request: dict, *, steps: int, seconds: float, fewest: int) -> dict:
    """Each worker's time for one of `steps` steps, taken in turns until `seconds` have gone by.

    Returns a dictionary by framework: parameters, first_call_s (compilation and one call), seconds (a list, by the
    clock on the wall) and cpu_seconds (a list, of all the process's threads).
    """
    results = {}
    for worker in workers:
        answer = worker.ask(do="prepare", steps=steps, **request)
        if "error" in answer:
            print(f"    {worker.name}: left out ({answer['error']})", file=sys.stderr)
        elif "absent" not in answer:
            results[worker.name] = answer | {"seconds": [], "cpu_seconds": []}
    takes_part = [worker for worker in workers if worker.name in results]
    for worker in takes_part:  # a second warm-up, when every process has let go of its compiler's threads
        worker.ask(do="time", steps=steps)
    start, rounds = time.monotonic(), 0
    while takes_part and (rounds < fewest or (time.monotonic() - start < seconds and rounds < 50)):
        for worker in takes_part:
            answer = worker.ask(do="time", steps=steps)
            for clock in ("seconds", "cpu_seconds"):
                results[worker.name][clock].append(answer[clock] / steps)
        rounds += 1
    return results


def peak_flops(workers: list[Worker], dtype: str, accelerator: bool) -> dict:
    """The machine's matrix-multiply peak, FLOP/s: the best of each framework's medians."""
    size, steps = (8192, 20) if accelerator else (2048, 2)
    request = {"task": "matmul", "dtype": dtype, "size": size}
    results = interleave(workers, request, steps=steps, seconds=3.0, fewest=3)
    return {name: 2 * size**3 / statistics.median(result["seconds"]) for name, result in results.items()}


def measure(workers: list[Worker], case: Case, *, accelerator: bool, seconds: float) -> list[dict]:
    """One row for each framework that can do the case."""
    results = interleave(workers, case.request(), steps=20 if accelerator else 1, seconds=seconds, fewest=3)
    counts = {result["parameters"] for result in results.values()}
    if len(counts) > 1:
        raise ValueError(f"{case}: the networks differ, their numbers of weights are {counts}")
    rows = []
    for name, result in results.items():
        median = statistics.median(result["seconds"])
        rows.append(
            dataclasses.asdict(case)
            | {
                "framework": name,
                "parameters": result["parameters"],
                "first_call_s": round(result["first_call_s"], 3),
                "median_ms": round(1e3 * median, 4),
                "fastest_ms": round(1e3 * min(result["seconds"]), 4),
                "median_cpu_ms": round(1e3 * statistics.median(result["cpu_seconds"]), 4),
                "rounds": len(result["seconds"]),
                "images_per_s": round(case.batch / median, 1),
                "flop_per_s": round(case.flops / median),
            }
        )
    return rows


def with_ratios(rows: list[dict], peaks: dict[str, float]) -> list[dict]:
    """The rows with the share of the peak, and the time over the fastest rival's at the same network, batch and task.

    Training with augmentation, or many steps a dispatch, is held against the rivals' bare step.
    """

    def rivals(row):
        same = ("network", "batch", "dtype")
        task = "predict" if row["task"] == "predict" else "train"
        return [
            other["median_ms"]
            for other in rows
            if other["framework"] != "jax" and other["task"] == task and all(other[key] == row[key] for key in same)
        ]

    for row in rows:
        row["share_of_peak"] = round(row["flop_per_s"] / peaks[row["dtype"]], 3)
        if row["framework"] == "jax" and rivals(row):
            row["time_over_fastest_rival"] = round(row["median_ms"] / min(rivals(row)), 2)
    return rows


def print_row(row: dict) -> None:
    ratio = row.get("time_over_fastest_rival")
    print(
        f"{row['network']:8} {row['task']:21} {row['batch']:5} {row['dtype']:9} {row['framework']:15}"
        f"{row['median_ms']:11.2f}{row['images_per_s']:12.0f}{row['flop_per_s'] / 1e9:10.0f}"
        f"{100 * row['share_of_peak']:8.0f} %{row['first_call_s']:9.1f}" + (f"{ratio:9.2f}" if ratio else "")
    )


def cases(arguments, accelerator: bool) -> list[Case]:
    """What to time, in an order that tells most if it is stopped early."""
    dtypes = ("float32", "bfloat16") if accelerator else ("float32",)
    return [
        Case(network=network, task=task, batch=batch, dtype=dtype)
        for batch, network, dtype, task in itertools.product(arguments.batches, arguments.networks, dtypes, TASKS)
        if accelerator or task != "train, 20 a dispatch"
    ]


def takers(workers: list[Worker], case: Case, accelerator: bool) -> list[Worker]:
    """Who is asked: on a CPU PyTorch's compiler takes a minute or more a case, so there it is shown in one only."""
    slow = not accelerator and (case.network, case.task, case.batch) != ("seed", "train", 16)
    return [worker for worker in workers if not (slow and worker.name == "torch compiled")]


def start(names: list[str]) -> list[Worker]:
    """The frameworks that are there; the others are named and left out."""
    present = []
    for name in names:
        worker = Worker(name)
        if "error" in worker.description:
            print(f"{name}: left out ({worker.description['error']})", file=sys.stderr)
            worker.close()
        else:
            present.append(worker)
    return present


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frameworks", nargs="+", default=list(FRAMEWORKS), choices=FRAMEWORKS)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--batches", nargs="+", type=int, default=[16, 256])
    parser.add_argument("--seconds", type=float, default=5.0, help="time spent on each case, compilation not counted")
    parser.add_argument("--out", type=Path, help="JSON file; by default benchmarks/results/unet-DEVICE-DATE.json")
    arguments = parser.parse_args()

    about = machine.describe()
    workers = start(arguments.frameworks)
    if not workers:
        parser.error("none of the frameworks is installed: pip install -r benchmarks/requirements.txt")
    about["frameworks"] = {worker.name: worker.description for worker in workers}
    device = next((w.description["device"] for w in workers if w.description["device"] != "cpu"), "cpu")
    accelerator = device != "cpu"
    print(f"{device}: {about['processor']}, {about['cores']} cores, load {about['load_average_before']}")

    wanted = cases(arguments, accelerator)
    peaks = {dtype: peak_flops(workers, dtype, accelerator) for dtype in {case.dtype for case in wanted}}
    best = {dtype: max(each.values()) for dtype, each in peaks.items()}
    for dtype, peak in best.items():
        print(f"matrix-multiply peak, {dtype}: {peak / 1e9:.0f} GFLOP/s")
    print(
        f"{'network':8} {'task':21} {'batch':>5} {'dtype':9} {'framework':15}{'median ms':>11}{'images/s':>12}"
        f"{'GFLOP/s':>10}{'of peak':>10}{'first s':>9}{'to rival':>9}",
        flush=True,
    )
    rows = []
    for case in wanted:
        new = measure(takers(workers, case, accelerator), case, accelerator=accelerator, seconds=arguments.seconds)
        rows += new
        with_ratios(rows, best)
        for row in new:
            print_row(row)
        sys.stdout.flush()
    for worker in workers:
        worker.close()

    name = f"unet-{device.replace(' ', '-').lower()}-{about['date_utc'][:10]}.json"
    out = arguments.out or FOLDER / "results" / name
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"machine": about, "matmul_flop_per_s": peaks, "rows": rows}, indent=1) + "\n")
    print(f"written: {out.name}")


if __name__ == "__main__":
    main()
