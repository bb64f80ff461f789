"""Ask TensorFlow Serving, over REST, what pictures show.

    python client_rest.py PICTURE ... [--model=NAME] [--label=stable]

Ends with 1 if a picture could not be read, with 2 if the server gave no answer.
"""

import argparse
import base64
import pathlib
import sys

import requests

BATCH = 8  # pictures a request


def classify(pictures, server, model, label=None, timeout=10.0, session=requests):
    """Return the outputs of `serving_default` for each picture.

    Args:
        pictures: image files as bytes.
        server: as in `http://127.0.0.1:8501`.
        model: its name in `models.config`.
        label: of a version, as in `models.config`; the newest if not given.
        timeout: seconds to wait, for the connection and for each answer.
        session: a `requests.Session`, which keeps its connection.

    Returns:
        For each picture a dict: `error`, "" or why it could not be read;
        `classes` and their `probabilities`, likeliest first; `logits`.

    Raises:
        requests.RequestException: if the server gives no answer.
    """
    version = f"/labels/{label}" if label else ""
    asked = [{"image_bytes": {"b64": base64.b64encode(p).decode()}} for p in pictures]
    response = session.post(
        f"{server}/v1/models/{model}{version}:predict",
        json={"instances": asked},
        timeout=timeout,
    )
    try:
        told = response.json()
    except ValueError:  # of something in between
        told = {}
    # keras-vit serve says 400 where no picture can be read, and of each why not.
    if response.status_code not in (200, 400) or "predictions" not in told:
        why = f"{response.status_code} {response.reason}: {response.text.strip()[:500]}"
        raise requests.HTTPError(why, response=response)
    return told["predictions"]


def arguments(about, server, **more):
    """Return the command line's arguments: pictures, a server, and `more` flags."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    for name, options in more.items():
        parser.add_argument(f"--{name}", **options)
    parser.add_argument("pictures", nargs="+", type=pathlib.Path)
    parser.add_argument("--server", default=server)
    parser.add_argument("--model", default="fashion_mnist")
    parser.add_argument("--label", help="of a version, such as stable")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds")
    told = parser.parse_args()
    missing = [str(path) for path in told.pictures if not path.is_file()]
    if missing:
        parser.error(f"no such file: {', '.join(missing)}")
    return told


def tell(paths, ask):
    """Print a line for each picture; return 1 if one could not be read, else 0."""
    status = 0
    for start in range(0, len(paths), BATCH):
        batch = paths[start : start + BATCH]
        answers = ask([path.read_bytes() for path in batch])
        for path, answer in zip(batch, answers, strict=True):
            if answer["error"]:
                print(f"{path}: {answer['error']}", file=sys.stderr)
                status = 1
                continue
            likeliest = zip(answer["classes"], answer["probabilities"], strict=True)
            shares = (f"{name} {100 * p:.1f} %" for name, p in likeliest)
            print(f"{path}:", ", ".join(shares))
    return status


if __name__ == "__main__":
    told = arguments(__doc__, "http://127.0.0.1:8501")
    where = (told.server, told.model, told.label, told.timeout)
    try:
        sys.exit(tell(told.pictures, lambda pictures: classify(pictures, *where)))
    except requests.RequestException as problem:
        print(f"client_rest: {problem}", file=sys.stderr)
        sys.exit(2)
