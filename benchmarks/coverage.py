"""Which Vision Transformers of timm and transformers load, and go back out.

    python benchmarks/coverage.py [PATTERN ...] [--results=FILE] [--page=FILE]

Builds each of timm's names with two blocks of its true width and random weights, by
timm's own code, saves it as timm does, loads it here, compares the outputs of both on
an image whose grid is not square, and writes it back for timm to load strictly; and so
each class of transformers, of a small width. Prints a row a name: the largest
difference over the largest output, there and back, or the sentence that a file is
refused with. With `--results` what is there already is not tried again; `--page` writes
the page of the documentation.
"""

# ruff: noqa: E402, since Triton has to be kept out before PyTorch is imported

import argparse
import collections
import datetime
import json
import pathlib
import sys

sys.modules.setdefault("triton", None)  # PyTorch's compiler: none beside TensorFlow's

import coverage_timm
import coverage_transformers
import keras
import timm
import transformers

MOST = 2e-5  # of the largest output
PAGE = """# What loads

Every name that timm {timm} has for a Vision Transformer, and every class of
transformers {transformers} for one, was built by its own library with random weights
and two blocks, saved as that library saves it, loaded here, and written back for the
library to load strictly. Right is what differs by at most {most:g} of the largest
output.

Of **{total} names of timm {right} load right, {back} of them go back, and {off} load
with other outputs**. What cannot be read or written is refused in one sentence that
says why. Keras {keras} on TensorFlow, {date}; `benchmarks/coverage.py` makes this page.

`keras_vit.ViT(weights=...)` takes the folder or the repository of any of them, and
`architecture=` timm's name where a bare file has no settings.

## timm

{by_module}

### Refused

{reasons}

### Every name

The largest difference over the largest output, and that of the file alone, without
`config.json` and without `architecture=`.

{every}

## Hugging Face transformers

{classes}
"""


def main():
    """Try every name that is asked for, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("patterns", nargs="*", default=["*"])
    parser.add_argument("--results", type=pathlib.Path, help="JSON, to go on with")
    parser.add_argument("--page", type=pathlib.Path, help="Markdown, of all results")
    options = parser.parse_args()
    modules = coverage_timm.names(options.patterns)
    found = {"timm": {}, "transformers": {}}
    if options.results and options.results.exists():
        found = json.loads(options.results.read_text())
    jobs = [("timm", name, coverage_timm.tried) for name in modules]
    if options.patterns == ["*"]:
        cases = coverage_transformers.CASES
        tried = coverage_transformers.tried
        jobs += [("transformers", case, tried) for case in cases]
    for library, name, tried in jobs:
        if name not in found[library]:
            keras.backend.clear_session()
            found[library][name] = tried(name)
            if options.results:
                options.results.write_text(json.dumps(found, indent=1) + "\n")
        print(name, *(f"{k}={v}" for k, v in found[library][name].items()), flush=True)
    for library, rows in found.items():
        counts = counted(rows.values())
        print(f"{library}: {counts['right']} of {len(rows)} right, {counts}")
    if options.page:
        options.page.write_text(page(found, modules), encoding="utf-8")


def counted(rows):
    """How many load right, go back, are refused, or load with other outputs."""
    counts = collections.Counter()
    for row in rows:
        is_right = row.get("loaded", 1) <= MOST
        counts["right"] += is_right
        counts["back"] += is_right and row.get("back", 1) <= MOST
        counts["refused"] += "refused" in row
        counts["off"] += row.get("loaded", 0) > MOST
    return counts


def page(found, modules):
    """The page of the documentation."""
    rows = found["timm"]
    counts = counted(rows.values())
    by_module = []
    for module in coverage_timm.MODULES:
        own = [rows[name] for name in rows if modules[name] == module]
        one = counted(own)
        by_module.append((f"`{module}`", len(own), one["right"], one["back"]))
    classes = collections.defaultdict(list)
    for case, row in found["transformers"].items():
        classes[coverage_transformers.class_of(case)].append((case, row))
    reasons = "None."
    if counts["refused"]:
        refused = [(f"`{n}`", r["refused"]) for n, r in rows.items() if "refused" in r]
        reasons = table(("name", "because"), refused)
    return PAGE.format(
        timm=timm.__version__,
        transformers=transformers.__version__,
        keras=keras.__version__,
        date=datetime.date.today().isoformat(),
        most=MOST,
        total=len(rows),
        **{name: counts[name] for name in ("right", "back", "off")},
        by_module=table(("module", "names", "right", "back"), by_module),
        reasons=reasons,
        every=table(
            ("name", "there", "back", "the file alone"),
            [
                (f"`{n}`", r["loaded"], r.get("back", "no"), r["bare"])
                for n, r in rows.items()
                if "loaded" in r
            ],
        ),
        classes=table(
            ("class", "what was tried", "there", "back"),
            [
                (f"`{kind}`", case, row.get("loaded", row.get("refused")), _back(row))
                for kind, cases in classes.items()
                for case, row in cases
            ],
        ),
    )


def _back(row):
    return row.get("back", row.get("not_back", "no"))


def table(header, rows):
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    cells = (" | ".join(str(cell).replace("|", "/") for cell in line) for line in lines)
    return "\n".join(f"| {line} |" for line in cells)


if __name__ == "__main__":
    main()
