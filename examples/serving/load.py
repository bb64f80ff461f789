"""Ask TensorFlow Serving again and again, and measure how fast it responds.

    python load.py PICTURE ... [--protocol=grpc] [--requests=200] [--clients=4]

A request holds one picture. A client sends its next one when it has an answer.
Ends with 1 if a request failed, or if Ctrl-C came before all were sent.
"""

import collections
import concurrent.futures
import math
import sys
import time

import client_rest

SERVERS = {"rest": "http://127.0.0.1:8501", "grpc": "127.0.0.1:8500"}
MOST = {"requests": 100_000, "clients": 64}


def client_of(protocol, server, *where):
    """Return a function that connects, and returns one that asks about a picture."""
    if protocol == "rest":
        import requests

        def connect():
            to = (server, *where, requests.Session())
            return lambda picture: client_rest.classify([picture], *to)
    else:
        import client_grpc

        def connect():
            stub = client_grpc.stub_of(server)
            return lambda picture: client_grpc.classify([picture], stub, *where)

    return connect


def attempt(ask, picture):
    """Return the seconds that a response took, and why it failed: "" if it did not."""
    start = time.perf_counter()
    try:
        [answer] = ask(picture)
        failure = "a picture could not be read" if answer["error"] else ""
    except Exception as problem:  # of requests or gRPC: all are counted
        code = getattr(problem, "code", None)
        failure = code().name if code else type(problem).__name__
        if (response := getattr(problem, "response", None)) is not None:
            failure = f"status {response.status_code}"
    return time.perf_counter() - start, failure


def run(connect, pictures, requests, clients):
    """Send all requests, and return what `attempt` returns for each."""
    numbers = iter(range(requests))  # of which each client takes the next
    attempts = []

    def client():
        ask = connect()
        for number in numbers:
            attempts.append(attempt(ask, pictures[number % len(pictures)]))

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(client) for _ in range(clients)]
        try:
            while concurrent.futures.wait(running, timeout=1).not_done:
                print(f"{len(attempts)} of {requests}", file=sys.stderr)
        except KeyboardInterrupt:
            collections.deque(numbers, maxlen=0)  # nothing is left to be sent
        for one in running:
            one.result()
    return attempts


def main():
    """Send the requests of the flags, and print rate, latency and failures."""
    told = client_rest.arguments(
        __doc__,
        server=None,
        protocol={"choices": SERVERS, "default": "rest"},
        requests={"type": int, "default": 200},
        clients={"type": int, "default": 4},
    )
    for name, most in MOST.items():
        if not 1 <= getattr(told, name) <= most:
            sys.exit(f"load: expected 1 to {most} {name}: {getattr(told, name)}")
    pictures = [path.read_bytes() for path in told.pictures]
    server = told.server or SERVERS[told.protocol]
    connect = client_of(told.protocol, server, told.model, told.label, told.timeout)

    start = time.perf_counter()
    attempts = run(connect, pictures, told.requests, told.clients)
    seconds = time.perf_counter() - start
    times = sorted(took for took, failure in attempts if not failure)
    print(
        f"{len(times)} answers in {seconds:.2f} s: {len(times) / seconds:.1f} a second"
    )
    if times:
        middle, slow = (times[math.ceil(q * len(times)) - 1] for q in (0.5, 0.95))
        print(f"p50 {1000 * middle:.1f} ms, p95 {1000 * slow:.1f} ms")
    failures = collections.Counter(failure for _, failure in attempts if failure)
    for failure, count in failures.most_common():
        print(f"{count} failed: {failure}")
    return 0 if len(times) == told.requests else 1


if __name__ == "__main__":
    sys.exit(main())
