#!/usr/bin/env bash
# openvino.convert_model reports each conversion to a server, in children forked from the
# process that asked, however many threads and whatever memory that process has: eight for a
# file of one operation, within two seconds. Importing OpenVINO forks once. Where
# there is no network the call returns, and the children wait. Core().read_model, which reads
# the same file, forks none; nor does anything in a process whose environment says CI=true,
# so that tests do not show it. One would guess that a function that turns one file into
# another, called from Python, neither forks nor opens a connection.
# Seen with OpenVINO 2026.4.1, openvino-telemetry 2025.2.0 and ONNX 1.23.2.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check \
  openvino==2026.4.1 openvino-telemetry==2025.2.0 onnx==1.23.2 numpy==2.4.6
cat > "$room/forks.py" <<'PY'
import os
import sys
import time

forks, fork = 0, os.fork


def counted():
    global forks
    forks += 1
    return fork()


def since():
    """Forks since the last call; those of threads have had time."""
    global forks
    time.sleep(2)
    seen, forks = forks, 0
    return seen


os.fork = counted
import onnx
import openvino
from onnx import helper

sides = [helper.make_tensor_value_info(name, 1, [1, 3]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", *map(list, zip(sides)))
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
onnx.save(model, sys.argv[1])

by_import = since()
openvino.Core().read_model(sys.argv[1])
by_reading = since()
seen = [openvino.convert_model(sys.argv[1]) and since() for _ in range(3)]
print(f"import: {by_import} forks, read_model: {by_reading}, convert_model: {seen}")
PY
cd "$room"
by_default=$(env -u CI HOME="$room" "$room/venv/bin/python" forks.py relu.onnx | tail -1)
in_ci=$(CI=true HOME="$room" "$room/venv/bin/python" forks.py relu.onnx | tail -1)
echo "by default: $by_default"
echo "with CI=true: $in_ci"
[[ $by_default == "import: 1 forks, read_model: 0, convert_model: [8, 8, 8]" ]]
[[ $in_ci == "import: 0 forks, read_model: 0, convert_model: [0, 0, 0]" ]]
