"""Shards -> work on them, by Apache Beam, on the runner that is asked for."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.utils.shared import Shared

from keras_vit import compat
from keras_vit.batch.plan import ShardId
from keras_vit.verbosity import quiet_loggers

DIRECT = "DirectRunner"
LONGEST = 240  # characters of what a runner says


class ShardWriter(Protocol):
    """Writes the results of shards; made once in each worker process."""

    def write(self, shard: ShardId) -> None:
        """Write the file of a shard's results, whole."""
        ...


class WriteShards(beam.DoFn):
    """Writes the results of each shard, by a writer that its process shares.

    Args:
        make: makes the `ShardWriter`; it is sent to the workers.
    """

    def __init__(self, make: Callable[[], ShardWriter]) -> None:
        super().__init__()
        self._make, self._shared = make, Shared()
        self._writer: Any = None

    def setup(self) -> None:
        """Make the writer, or take the one that another thread has made."""
        self._writer = self._shared.acquire(self._make)

    def process(self, element: tuple[int, int, int]) -> Iterator[int]:
        """Write the file of one shard, and yield how many images it has."""
        shard = ShardId(*element)
        self._writer.write(shard)
        yield shard.images


def run_shards(
    shards: Sequence[ShardId],
    make: Callable[[], ShardWriter],
    runner: str,
    options: Sequence[str],
) -> None:
    """Run a pipeline over shards and wait for its end.

    Args:
        shards: those that are to be written.
        make: makes what writes them, in each worker process.
        runner: the name of one of Beam's runners, or of a class in a module.
        options: Beam's own, as words of a command.

    Raises:
        RuntimeError: if the pipeline fails.
    """
    flags = PipelineOptions([*options, *_of_runner(runner, options)])
    try:
        with (
            _quiet(),
            beam.Pipeline(runner=_runner(runner, flags), options=flags) as root,
        ):
            _ = (
                root
                | "shards" >> beam.Create([tuple(one) for one in shards])
                | "to all workers" >> beam.Reshuffle()
                | "write" >> beam.ParDo(WriteShards(make))
            )
    except Exception as error:  # of runners, and of workers with their tracebacks
        raise RuntimeError(
            f"Expected {runner} to run the job to its end. Received: {_reason(error)}. "
            "Files that are finished stay: the same job again resumes from there"
        ) from error


def _reason(error: Exception) -> str:
    """What went wrong, of an error that may hold the traceback of a worker."""
    lines = [one.strip() for one in str(error).splitlines() if one.strip()]
    named = [one for one in lines if re.match(r"[\w.]*(Error|Exception)\b.*: ", one)]
    line = (named or lines or [type(error).__name__])[-1]
    return line.partition(" [while running")[0][:LONGEST].rstrip(" .")


def _of_runner(runner: str, options: Sequence[str]) -> list[str]:
    """Options that follow where nothing says them."""
    words, more = " ".join(options), []
    several = "direct_num_workers" in words and "direct_running_mode" not in words
    if runner == DIRECT and several:
        more.append("--direct_running_mode=multi_processing")
    if "default_sdk_harness_log_level" not in words:
        more.append("--default_sdk_harness_log_level=ERROR")
    return more


def check_options(options: Sequence[str]) -> None:
    """Refuse options that no runner of Beam's defines.

    Raises:
        ValueError: naming them.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for one in PipelineOptions.__subclasses__():
        with contextlib.suppress(argparse.ArgumentError):  # of a name twice
            compat.add_beam_options(one, parser)
    unknown = parser.parse_known_args([*options])[1]
    if unknown:
        raise ValueError(
            "Expected options of Beam's or of its runner's after --. Received: "
            f"{' '.join(unknown)}"
        )


def _runner(name: str, options: PipelineOptions) -> Any:
    """A runner; of `DirectRunner` always the one in processes of this machine.

    Beam's own class of that name first looks for a server of Prism, and downloads
    one where there is none.
    """
    if name != DIRECT:
        return name
    from apache_beam.portability.api import beam_provision_api_pb2
    from apache_beam.runners.portability.fn_api_runner import fn_runner
    from apache_beam.runners.portability.portable_runner import JobServiceHandle

    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    provision: Any = beam_provision_api_pb2
    info = provision.ProvisionInfo(pipeline_options=encoded)
    return fn_runner.FnApiRunner(provision_info=fn_runner.ExtendedProvisionInfo(info))


def _quiet() -> contextlib.AbstractContextManager[None]:
    """Keep Beam's notices of every stage to itself, unless `KERAS_VIT_TRACEBACK`."""
    if os.environ.get("KERAS_VIT_TRACEBACK"):
        return contextlib.nullcontext()
    return quiet_loggers("apache_beam")
