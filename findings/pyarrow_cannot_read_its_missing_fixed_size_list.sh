#!/usr/bin/env bash
# PyArrow writes a missing value in a column of fixed-size lists to Parquet without a word, and
# cannot read the file again: "Expected all lists to be of size=4 but index 2 had size=0". With
# lists of any length, or without missing values, all is well. So who stores embeddings that way
# with null for what failed loses the whole file. One would guess that what is written is read.
# Seen with pyarrow 25.0.1.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check pyarrow==25.0.1
cd "$room"
"$room/venv/bin/python" - <<'PY'
import pyarrow as pa
import pyarrow.parquet as pq


def reads(values, kind):
    pq.write_table(pa.table({"vectors": pa.array(values, kind)}), "a.parquet")
    try:
        return pq.read_table("a.parquet")["vectors"].to_pylist() == values
    except pa.ArrowInvalid as error:
        print(error)
        return False


one = [1.0, 2.0, 3.0, 4.0]
of_four, of_any = pa.list_(pa.float32(), 4), pa.list_(pa.float32())
assert reads([one, one], of_four)
assert reads([one, None, one], of_any)
assert not reads([one, None, one], of_four), "it is read now"
PY
