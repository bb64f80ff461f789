"""Files from elsewhere, whole or not at all, kept in a cache."""

import base64
import contextlib
import hashlib
import pathlib
import urllib.parse

import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from keras_vit.extras import install
from keras_vit.files import cache_folder, written_whole
from keras_vit.verbosity import bars_shown

CONNECT_SECONDS, STALL_SECONDS = 10, 30
CHUNK = 1 << 20


def cached(url: str) -> pathlib.Path:
    """Return the path in the cache of what is at a URL; download it if needed.

    Size and checksum are compared with what the server states (Content-Length,
    and the MD5 of Google's `x-goog-hash`) before the file takes its name.

    Raises:
        OSError: if it cannot be had; says why, and where to put the file.
    """
    path = cache_folder() / urllib.parse.unquote(urllib.parse.urlparse(url).path)[1:]
    if path.is_file():
        return path
    try:
        _download(url, path)
    except (OSError, requests.RequestException) as error:
        raise OSError(
            f"{url} could not be downloaded ({_reason(error)}). Without a network, put "
            f"the file at {path}"
        ) from error
    return path


def _reason(error: BaseException) -> str:
    """What was wrong with the network, without the connection that tells it."""
    while isinstance(error, requests.ConnectionError | HTTPError) and error.args:
        inner = getattr(error, "reason", error.args[0])
        if not isinstance(inner, BaseException):
            break
        error = inner
    return str(error).rpartition("): ")[2] or type(error).__name__


def _download(url, path):
    with (
        requests.get(
            url,
            stream=True,
            timeout=(CONNECT_SECONDS, STALL_SECONDS),
            headers={"Accept-Encoding": "identity"},
        ) as answer,
        written_whole(path) as scratch,
    ):
        answer.raise_for_status()
        size = int(answer.headers.get("Content-Length", 0))
        digest = hashlib.md5(usedforsecurity=False)
        received = 0
        with (
            open(scratch, "wb") as file,
            tqdm(
                total=size or None,
                desc=path.name,
                unit="B",
                unit_scale=True,
                disable=not bars_shown(),
            ) as bar,
        ):
            for chunk in answer.iter_content(CHUNK):
                file.write(chunk)
                digest.update(chunk)
                received += len(chunk)
                bar.update(len(chunk))
        if size and received != size:
            raise OSError(f"received {received:,} bytes of {size:,}")
        expected = _md5(answer.headers.get("x-goog-hash", ""))
        if expected and digest.digest() != expected:
            raise OSError("the checksum is not the server's")


def _md5(hashes):
    """The MD5 in a header such as `crc32c=..., md5=...`."""
    for one in hashes.split(","):
        kind, _, value = one.strip().partition("=")
        if kind == "md5":
            return base64.b64decode(value)
    return None


HUB_FILES = ("config.json", "preprocessor_config.json")


def from_hub(repository: str) -> pathlib.Path:
    """Return the folder of a repository of the Hugging Face hub, downloaded if needed.

    Raises:
        ImportError: without `huggingface_hub`, saying how to get it.
        OSError: if `model.safetensors` cannot be had; says why, and what to do
            without a network.
    """
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImportError(
            f"hf:{repository} needs the package huggingface_hub: {install('hub')}"
        ) from error
    try:
        weights = huggingface_hub.hf_hub_download(repository, "model.safetensors")
        for name in HUB_FILES:  # not every repository has both
            with contextlib.suppress(huggingface_hub.errors.EntryNotFoundError):
                huggingface_hub.hf_hub_download(repository, name)
    except (OSError, ValueError, huggingface_hub.errors.HfHubHTTPError) as error:
        raise OSError(
            f"hf:{repository} could not be downloaded ({_reason(error)}). Without a "
            f"network, put model.safetensors and its {' and '.join(HUB_FILES)} from "
            f"https://huggingface.co/{repository} into a folder, and name that"
        ) from error
    return pathlib.Path(weights).parent
