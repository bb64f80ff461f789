"""What the server costs over the bare model, and what it cost before.

    python benchmarks/serve.py SAVEDMODEL IMAGE [--before=FOLDER] [--requests=10000]

Interleaves the bare model at its best batch size, in this process, with clients that
send one image a request to `keras-vit serve`, from a process of their own, all on
the same file. Prints the median rates and their ratio, the same of the processors'
time, which other work on the machine changes less, the clients' waiting times, and
the server's memory before and after. With another checkout of this package in
`--before` its server is measured in the same rounds, and compared.
"""

import argparse
import asyncio
import base64
import concurrent.futures
import contextlib
import json
import multiprocessing
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import time

COMMAND = (sys.executable, "-c", "import keras_vit_command as c; exit(c.main())")
ROOT = pathlib.Path(__file__).parents[1]
SIZES = (1, 2, 4, 8, 16, 32, 64)


def main():
    """Starts the server, runs the rounds and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=pathlib.Path, help="the folder of a version")
    parser.add_argument("image", type=pathlib.Path)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--requests", type=int, default=10_000, help="of all rounds")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="a bare round")
    parser.add_argument("--flag", action="append", default=[], help="of the server")
    parser.add_argument("--before", type=pathlib.Path, help="another checkout")
    options = parser.parse_args()
    file = options.image.read_bytes()
    run = bare(options.model)
    rates = {size: rate_of(run, file, size, options.seconds)[0] for size in SIZES}
    best = max(rates, key=rates.get)
    told = ", ".join(f"{size}: {rate:,.1f}" for size, rate in rates.items())
    print(f"bare, images/s by batch size   {told}; best {best}")
    body = json.dumps({"instances": [{"b64": base64.b64encode(file).decode()}]})
    asked = path_of(options.model), body.encode(), options.clients
    count = options.requests // options.rounds
    checkouts = {"served": ROOT}
    if options.before:
        checkouts = {"before": options.before, "served": ROOT}
    with contextlib.ExitStack() as stack:
        clients = stack.enter_context(other_process())
        servers = {
            name: stack.enter_context(server(folder, options.model, options.flag))
            for name, folder in checkouts.items()
        }
        memories, rounds = {}, {name: [] for name in servers}
        for name, (process, port) in servers.items():
            first = max(count // 4, options.clients)
            clients.submit(load, port, *asked, first).result()
            memories[name] = memory(process)
        alone = []
        for _ in range(options.rounds):
            alone.append(rate_of(run, file, best, options.seconds))
            for name, (process, port) in servers.items():
                begun = processor_time(process)
                served = clients.submit(load, port, *asked, count).result()
                more = (processor_time(process) - begun) / count
                rounds[name].append((more, *served))
        report_bare(alone)
        for name, (process, _) in servers.items():
            grown = memory(process) - memories[name]
            report(name, alone, rounds[name], count, grown, memories[name])
    if options.before:
        pairs = zip(rounds["before"], rounds["served"], strict=True)
        ratios = [before[1] / after[1] for before, after in pairs]
        print(
            f"served over before {statistics.median(ratios):.3f} "
            f"({min(ratios):.3f} to {max(ratios):.3f})"
        )


def report_bare(alone):
    """Prints what the bare model gave."""
    rates, spent = zip(*alone, strict=True)
    print(
        f"bare    {statistics.median(rates):9,.1f} images/s, "
        f"{1000 * statistics.median(spent):.2f} ms of processors an image"
    )


def report(name, alone, rounds, count, grown, before):
    """Prints what the rounds of a server gave, beside the bare model's."""
    rates, spent = zip(*alone, strict=True)
    more, seconds, waits, errors = zip(*rounds, strict=True)
    served = [count / one for one in seconds]
    ratios = [one / other for one, other in zip(served, rates, strict=True)]
    shares = [one / other for one, other in zip(spent, more, strict=True)]
    waits = sorted(wait for some in waits for wait in some)
    print(
        f"{name}  {statistics.median(served):9,.1f} images/s, "
        f"{statistics.median(ratios):.3f} of it "
        f"({min(ratios):.3f} to {max(ratios):.3f}), "
        f"{1000 * statistics.median(more):.2f} ms, of which bare is "
        f"{statistics.median(shares):.3f} ({min(shares):.3f} to {max(shares):.3f})\n"
        f"  waiting p50 {1000 * waits[len(waits) // 2]:,.0f} ms, "
        f"p95 {1000 * waits[int(len(waits) * 0.95)]:,.0f} ms; "
        f"{sum(errors)} errors in {len(waits):,} requests\n"
        f"  memory {before / 2**20:,.0f} MB, and {grown / 2**20:+,.1f} MB after them"
    )


def bare(path):
    """The model's own function from files to NumPy arrays."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    signature = loaded.signatures["serving_default"]

    def run(files, loaded=loaded):
        told = signature(image_bytes=tf.constant(files))
        return {name: value.numpy() for name, value in told.items()}

    return run


def rate_of(run, file, size, seconds):
    """Images a second in batches of a size, and seconds of processors an image."""
    run([file] * size)
    begun, spent, images = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - begun < seconds:
        run([file] * size)
        images += size
    spent = time.process_time() - spent
    return images / (time.perf_counter() - begun), spent / images


class server:  # noqa: N801
    """The command of a checkout in a process of its own; gives it and its port."""

    def __init__(self, checkout, model, flags):
        self._process = subprocess.Popen(
            [*COMMAND, "serve", f"--model={model.resolve()}", "--port=0", *flags],
            stdout=subprocess.PIPE,
            text=True,
            cwd=checkout,  # which Python looks into before PYTHONPATH
            env={**os.environ, "PYTHONPATH": str(checkout.resolve())},
        )

    def __enter__(self):
        line = self._process.stdout.readline()
        print(line.strip())
        return self._process, int(re.search(r":(\d+)/", line)[1])

    def __exit__(self, *error):
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()


def path_of(model):
    """The path of predictions."""
    return f"/v1/models/{model.resolve().parent.name}:predict"


def other_process():
    """Where the clients run, without the model's packages."""
    context = multiprocessing.get_context("spawn")
    return concurrent.futures.ProcessPoolExecutor(1, context)


def load(port, path, body, clients, requests):
    """Sends so many requests over so many connections at once.

    Returns:
        The seconds that it took, those of each request, and how many failed.
    """
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
    shared = {"left": requests, "waits": [], "errors": 0}
    asked = (f"{head}\r\n".encode() + body, shared)

    async def all_clients():
        loop = asyncio.get_running_loop()
        made = [Client(*asked, loop.create_future()) for _ in range(clients)]
        begun = time.perf_counter()
        for one in made:
            await loop.create_connection(lambda one=one: one, "127.0.0.1", port)
        await asyncio.gather(*(one.ended for one in made))
        return time.perf_counter() - begun

    seconds = asyncio.run(all_clients())
    return seconds, shared["waits"], shared["errors"]


class Client(asyncio.Protocol):
    """A connection that sends the next request once it has the last answer."""

    def __init__(self, request, shared, ended):
        self._request, self._shared, self.ended = request, shared, ended
        self._answer = b""

    def connection_made(self, transport):
        """Sends the first one."""
        self._transport = transport
        self._send()

    def data_received(self, data):
        """Notes an answer that is whole, and sends the next request."""
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found:
            return
        length = re.search(rb"content-length: (\d+)", head)
        if len(body) < int(length[1]):
            return
        self._shared["waits"].append(time.perf_counter() - self._begun)
        good = b" 200 " in head[:20] and b'"error":""' in body
        self._shared["errors"] += not good
        self._answer = b""
        self._send()

    def connection_lost(self, error):
        """Ends, or counts what was never answered."""
        if not self.ended.done():
            self._shared["errors"] += 1
            self.ended.set_result(None)

    def _send(self):
        if self._shared["left"] <= 0:
            self.ended.set_result(None)
            self._transport.close()
            return
        self._shared["left"] -= 1
        self._begun = time.perf_counter()
        self._transport.write(self._request)


def processor_time(process):
    """Seconds that a process has had of all processors."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2]
    user, system = fields.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def memory(process):
    """Bytes that a process holds."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024


if __name__ == "__main__":
    main()
