#!/usr/bin/env bash
# A field that is annotated as keras.Model is Unknown to pyright where it is read, so that an
# editor completes nothing behind it; what a function returns as keras.Model is known. Bases
# of Keras's classes are chosen at run time, by backend, so a model might define __get__, and
# a class variable that might be a descriptor could be anything. An attribute that __init__
# assigns is known. One would guess that the same annotation means the same type everywhere.
# Seen with pyright 1.1.414 and Keras 3.15.1.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check \
  keras==3.15.1 numpy==2.4.6 "pyright[nodejs]==1.1.414"
cat > "$room/seen.py" <<'PY'
from dataclasses import dataclass

import keras


@dataclass
class Field:
    model: keras.Model


class Assigned:
    def __init__(self, model: keras.Model) -> None:
        self.model: keras.Model = model


def returned() -> keras.Model: ...


def types(field: Field, assigned: Assigned) -> None:
    reveal_type(field.model)
    reveal_type(assigned.model)
    reveal_type(returned())
PY
cd "$room"
seen=$("$room/venv/bin/pyright" --pythonpath "$room/venv/bin/python" seen.py | grep 'Type of' | sed 's/.*information: //')
echo "$seen"
grep -q 'Type of "field.model" is "Unknown"' <<< "$seen"
grep -q 'Type of "assigned.model" is "Model"' <<< "$seen"
grep -q 'Type of "returned()" is "Model"' <<< "$seen"
