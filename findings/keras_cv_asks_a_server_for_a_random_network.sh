#!/usr/bin/env bash
# keras_cv.models.ResNet18Backbone() has no weights to fetch: it is a network of random
# numbers, whose sizes its name says. KerasCV keeps the sizes on Kaggle all the same, so the
# call asks api.kaggle.com for a file of settings, and raises where that is not reached. The
# classes without a size in their name build the same network of arguments, offline. One would
# guess that only `from_preset`, or weights, need a network.
# Seen with KerasCV 0.9.0 and Keras 3.15.1: no host for ResNetBackbone(...), one for
# ResNet18Backbone() and ResNet18V2Backbone().
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check \
  keras-cv==0.9.0 keras==3.15.1 tensorflow-cpu==2.21.0 numpy==2.4.6
HOME=$room TF_CPP_MIN_LOG_LEVEL=3 "$room/venv/bin/python" - <<'PY'
import socket

import keras_cv

asked = set()


def nobody(host, *_, **__):
    asked.add(host)
    raise socket.gaierror(f"{host} is not looked up here")


socket.getaddrinfo = nobody  # a machine without a network


def hosts(make):
    """The hosts that a call looks up, and whether it returns a network."""
    asked.clear()
    try:
        built = bool(make().weights)
    except Exception as error:
        built = type(error).__name__
    return sorted(asked), built


sizes = {
    "stackwise_filters": [64, 128, 256, 512],
    "stackwise_blocks": [2, 2, 2, 2],
    "stackwise_strides": [1, 2, 2, 2],
    "block_type": "basic_block",
    "include_rescaling": True,
}
models = keras_cv.models
ways = {
    "ResNetBackbone(...)": lambda: models.ResNetBackbone(**sizes),
    "ResNetV2Backbone(...)": lambda: models.ResNetV2Backbone(**sizes),
    "ResNet18Backbone()": models.ResNet18Backbone,
    "ResNet18V2Backbone()": models.ResNet18V2Backbone,
}
for name, make in ways.items():
    found, built = hosts(make)
    print(f"{name}: built {built}, asked {found}")
    assert (found, built is True) == (
        ([], True) if "..." in name else (["api.kaggle.com"], False)
    ), name
PY
