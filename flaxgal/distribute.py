"""The same task for many batches, in processes of this machine or of a Dask cluster; results come in order.

The results do not depend on how many processes there are. Batches are asked for as they are needed, a few for each
process, so that memory does not grow with their number.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["in_order", "in_processes", "on_cluster", "processes"]

Batch = TypeVar("Batch")
Result = TypeVar("Result")

AHEAD = 3
"""Batches for each process that are under way or waiting."""
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PATIENCE_S = 20
WITHOUT_WORKERS_S = 120
"""How long a cluster may be without any worker: some give their workers back for a while, others have lost them."""


def processes(workers: int | None) -> int:
    """How many processes there are to be: as many as this one may use cores when not given.

    Raises
    ------
    ValueError
        If `workers` is below 1.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"workers is {workers}; wanted 1 process or more")
    return workers or _cores()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(task: Callable[[Batch], Result], batches: Iterable[Batch], *, workers: int) -> Iterator[Result]:
    """The task's result for each batch, in order; here in this process if there is one worker or one batch.

    Raises
    ------
    ValueError
        If a process ended by itself; and whatever the task raises.
    """
    batches = iter(batches)
    first = list(itertools.islice(batches, 2))
    if workers == 1 or len(first) < 2:
        yield from map(task, itertools.chain(first, batches))
        return
    with _one_thread_each():
        pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_follow_parent)
        try:
            yield from in_order(
                lambda batch: pool.submit(task, batch), itertools.chain(first, batches), workers * AHEAD
            )
        except BrokenProcessPool:
            raise ValueError(
                f"one of {workers} processes ended by itself, perhaps for lack of memory; run the same command again, "
                f"it goes on where it was, with fewer --workers if it happens again"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def on_cluster(
    task: Callable[[Batch], Result], batches: Iterable[Batch], *, address: str, folders: Iterable[Path] = ()
) -> Iterator[Result]:
    """The task's result for each batch, in order, from the workers of a Dask cluster.

    Parameters
    ----------
    task : importable there as it is here: flaxgal of this version must be installed.
    folders : what every worker must see on its disk under the same path.

    Raises
    ------
    ValueError
        If there is no cluster, its workers lack flaxgal or a folder, or all of them are gone; and whatever the task
        raises.
    """
    with _client(address) as client:
        _check_workers(client, address, [str(folder) for folder in folders])
        threads = sum(client.nthreads().values())
        yield from in_order(
            lambda batch: client.submit(task, batch, pure=False),
            batches,
            threads * AHEAD,
            result=lambda future: _awaited(future, client, address),
        )


def in_order(
    submit: Callable[[Batch], Any],
    batches: Iterable[Batch],
    ahead: int,
    *,
    result: Callable[[Any], Any] = lambda future: future.result(),
) -> Iterator[Any]:
    """The results of futures, in the order of their batches, with never more than `ahead` under way."""
    waiting: deque[Any] = deque()
    try:
        for batch in batches:
            waiting.append(submit(batch))
            if len(waiting) >= ahead:
                yield result(waiting.popleft())
        while waiting:
            yield result(waiting.popleft())
    finally:
        for future in waiting:
            future.cancel()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Have libraries of linear algebra use one thread in processes that are started meanwhile: there is one a core."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _follow_parent() -> None:
    """In a new process: end when the one that started it ends, even if it was killed, and leave Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


@contextmanager
def _client(address: str) -> Iterator[Any]:
    try:
        from distributed import Client
        from distributed.comm.addressing import resolve_address
    except ModuleNotFoundError:
        raise ValueError("--dask needs dask.distributed: pip install 'flaxgal[dask]'") from None
    try:
        resolve_address(address)  # of one without a port Client says so as well, but is not done with it for 40 s
        client = Client(address, timeout=PATIENCE_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ValueError(f"{address}: found no Dask scheduler there ({error}); start one with dask scheduler") from None
    try:
        yield client
    except Exception as error:  # a lost connection is an OSError of distributed's own
        if type(error).__module__.partition(".")[0] != "distributed":
            raise
        raise ValueError(
            f"{address}: the cluster gave up ({' '.join(str(error).split())}); run the same command again, it goes on "
            f"where it was"
        ) from None
    finally:
        client.close()


def _awaited(future: Any, client: Any, address: str) -> Any:
    """The result of a task on a cluster, which dask would wait for as long as there is no worker to do it."""
    without_s = 0
    while True:
        try:
            return future.result(timeout=PATIENCE_S)
        except TimeoutError:
            if future.done():  # the task's own
                raise
        without_s = 0 if client.nthreads() else without_s + PATIENCE_S
        if without_s >= WITHOUT_WORKERS_S:
            raise ValueError(
                f"{address}: all workers of the cluster are gone; start new ones and run the same command again, it "
                f"goes on where it was"
            )


def _check_workers(client: Any, address: str, folders: list[str]) -> None:
    """Refuse a cluster that would fail at every galaxy."""
    from flaxgal import __version__

    try:
        client.wait_for_workers(1, timeout=PATIENCE_S)
    except TimeoutError:
        raise ValueError(f"{address}: the cluster has no workers; start some with dask worker {address}") from None
    for worker, found in client.run(about_worker, folders, on_error="return").items():
        if isinstance(found, BaseException):
            raise ValueError(f"{address}: the worker {worker} cannot import flaxgal ({found}); install it there")
        version, unseen = found
        if version != __version__:
            raise ValueError(
                f"{address}: the worker {worker} has flaxgal {version}, this is {__version__}; install the same there"
            )
        if unseen:
            raise ValueError(
                f"{address}: the worker {worker} sees no {unseen[0]}; wanted a disk that all machines share, under the "
                f"same path"
            )


def about_worker(folders: list[str]) -> tuple[str, list[str]]:
    """Of the process it runs in: the version of flaxgal, and which of some files and folders it does not see."""
    from flaxgal import __version__

    return __version__, [folder for folder in folders if not Path(folder).exists()]
