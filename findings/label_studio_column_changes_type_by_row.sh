#!/usr/bin/env bash
# Label Studio's CSV and JSON_MIN exports of an image classification with several choices
# hold a plain string where an annotator ticked one choice, and {"choices": [...]} where he
# ticked more, in the same column: a reader that takes the column for text trains on a class
# named '{"choices":["cat","dog"]}'. The column is named as the labelling config names its
# control, not "label", and the image is the server's path with a prefix in the file's name.
# One would guess a list in each row, or in none.
# Seen with label-studio-sdk 2.1.2.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check label-studio-sdk==2.1.2
cd "$room"
"$room/venv/bin/python" -W ignore - <<'PY'
import csv
import json
import pathlib

from label_studio_sdk.converter import Converter

CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="animal" toName="image" choice="multiple">
<Choice value="cat"/><Choice value="dog"/></Choices></View>"""


def task(number, choices):
    result = {
        "from_name": "animal",
        "to_name": "image",
        "type": "choices",
        "value": {"choices": choices},
    }
    return {
        "id": number,
        "data": {"image": f"/data/upload/1/0a1b2c3d-{number}.jpg"},
        "annotations": [{"id": number, "result": [result], "was_cancelled": False}],
    }


pathlib.Path("tasks").mkdir()
tasks = [task(1, ["cat"]), task(2, ["cat", "dog"])]
pathlib.Path("tasks/tasks.json").write_text(json.dumps(tasks))
converter = Converter(CONFIG, project_dir=".", output_tags=["animal"])
converter.convert_to_csv("tasks", "csv", is_dir=True, sep=",", header=True)
converter.convert_to_json_min("tasks", "json", is_dir=True)
for suffix, read in (("csv", csv.DictReader), ("json", json.load)):
    with open(f"{suffix}/result.{suffix}") as file:
        rows = list(read(file))
    for row in rows:
        print(f"{suffix}: {row['image']}: {row['animal']!r}")
    one, two = (row["animal"] for row in rows)
    assert one == "cat"
    assert (json.loads(two) if suffix == "csv" else two) == {"choices": ["cat", "dog"]}
PY
