"""Time and memory of what a process does, measured inside it, beside other processes.

Another build of this package is a folder that holds it: the process imports from there.
"""

import json
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

MB = 2**20


def measured(work: Callable[[], Any], rounds: int = 1) -> dict[str, float]:
    """Return the seconds of the fastest round and the peak above the base, in MB.

    The first round, which traces and warms up, counts for the peak alone, unless
    there is one round.
    """
    base = _status("VmRSS")
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    seconds = []
    for _ in range(rounds if rounds == 1 else rounds + 1):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return {
        "seconds": min(seconds[-rounds:]),
        "peak": (_status("VmHWM") - base) / MB,
    }


def _status(name):
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise OSError(f"No {name} in /proc/self/status: expected Linux.")


def run(script: str, arguments: Sequence[str], package: str | None = None) -> Any:
    """Run a script in a process and return the JSON of its last line.

    Args:
        script: its path.
        arguments: of the command.
        package: a folder from which the process imports this package first.
    """
    command = [sys.executable, "-W", "ignore", script, *arguments]
    if package is not None:
        paths = [package, str(pathlib.Path(script).parent)]
        code = f"import runpy, sys; sys.path[:0] = {paths!r}; "
        code += f"sys.argv = {[script, *arguments]!r}; "
        code += f"runpy.run_path({script!r}, run_name='__main__')"
        command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.strip().splitlines()[-1])
