"""A module imports only from floors below its own; heavy packages have one door."""

import ast
import functools
import pathlib
import subprocess
import sys

import keras_vit

ROOT = pathlib.Path(keras_vit.__file__).parent
FLOORS = [
    {
        "variants",
        "variant_costs",
        "preprocessing",
        "decoding",
        "recipes",
        "files",
        "report_page",
        "figures",
        "history",
        "renamed",
        "export_formats",
        "class_names",
        "suggestions",
        "augmentation_names",
        "verbosity",
        "served_model",
        "choices",
        "dataset_names",
        "releases",
        "version",
        "compat",
        "timm_names",
        "counts",
        "equal_files",
        "ahead",
        "litert_model",
        "extras",
    },
    {
        "layers",
        "data",
        "distribution",
        "layouts",
        "model_options",
        "foreign_arguments",
    },
    {
        "pooling",
        "encoder_blocks",
        "input_and_output_layers",
        "model_arguments",
        "model",
        "baselines",
        "kerascv_networks",
        "image_model",
        "derived_arguments",
        "meaning",
        "logits",
        "model_files",
        "classifier",
        "model_source",
    },
    {"weights", "evaluation", "prediction", "classified_images", "inspect"},
    {"factories", "size_factories", "with_weights", "catalog", "exporting"},
    {"training", "serving", "batch"},
    {"experiments", "diagnosis"},
    {"cli"},
]
# A figure is a file that appears whole; a recipe names a size and a preprocessing; a
# model is measured at other input sizes.
WITHIN_FLOOR = {
    ("evaluation", "weights"),
    ("prediction", "classified_images"),
    ("figures", "files"),
    ("figures", "history"),
    ("factories", "with_weights"),
    ("factories", "size_factories"),
    ("size_factories", "with_weights"),
    ("releases", "variants"),
    ("releases", "variant_costs"),
    ("variant_costs", "variants"),
    ("catalog", "factories"),
    ("model", "model_arguments"),
    ("model", "encoder_blocks"),
    ("model_arguments", "encoder_blocks"),
    ("model", "pooling"),
    ("model", "input_and_output_layers"),
    ("baselines", "input_and_output_layers"),
    ("kerascv_networks", "input_and_output_layers"),
    ("model_options", "layers"),
    ("distribution", "layouts"),
    ("logits", "meaning"),
    ("model", "image_model"),
    ("baselines", "image_model"),
    ("model_files", "meaning"),
    ("classifier", "meaning"),
    ("model_source", "classifier"),
    ("model_source", "meaning"),
    ("model_source", "model_files"),
    ("served_model", "preprocessing"),
    ("served_model", "decoding"),
    ("litert_model", "served_model"),
    ("litert_model", "class_names"),
    ("litert_model", "preprocessing"),
    ("litert_model", "decoding"),
    ("litert_model", "export_formats"),
    ("classifier", "logits"),
    ("classifier", "model_files"),
    ("kerascv_networks", "baselines"),
    ("kerascv_networks", "image_model"),
    ("choices", "export_formats"),
    ("export_formats", "extras"),
    ("litert_model", "extras"),
    ("dataset_names", "extras"),
    ("augmentation_names", "extras"),
    ("choices", "variants"),
    ("dataset_names", "suggestions"),
    ("recipes", "augmentation_names"),
    ("augmentation_names", "suggestions"),
    ("recipes", "suggestions"),
    ("recipes", "variants"),
    ("recipes", "preprocessing"),
    ("recipes", "decoding"),
    ("recipes", "renamed"),
}
COMMANDS = (
    *("main", "dataset_flags", "inspect_data", "inspect"),
    *("train", "evaluate", "predict", "export", "serve", "convert", "list"),
    *("transfer", "batch", "prepare", "doctor"),
    *("flag", "flag_types", "model_flag", "help", "failures"),
)
DOORS = {
    "matplotlib": {"figures/drawing.py"},
    "jinja2": {"report_page.py"},
    "sklearn": {
        "evaluation/embedding.py",
        "evaluation/logistic_regression.py",
        "evaluation/ranking.py",
    },
    "threadpoolctl": {"evaluation/threads.py"},
    "tqdm": {
        "data/archives.py",
        "exporting/quantization.py",
        "training/progress.py",
        "verbosity.py",
        "weights/download.py",
    },
    "requests": {"weights/download.py"},
    "huggingface_hub": {"weights/download.py"},
    "yaml": {"recipes/settings_file.py"},
    "absl": {f"cli/{name}.py" for name in COMMANDS},
    "safetensors": {"weights/save.py"},
    "PIL": {
        "data/image_inputs.py",
        "data/images.py",
        "data/quiet_pillow.py",
        "data/samples.py",
        "data/inspection/reading.py",
        "evaluation/corruptions/digital.py",
        "serving/pixels.py",
        "batch/storing.py",
        "training/artifacts/samples.py",
    },
    "scipy": {
        "evaluation/corruptions/filtering.py",
        "evaluation/intervals.py",
    },
    "onnx": {"exporting/onnx.py"},
    "tf2onnx": {"exporting/onnx.py"},
    "onnxruntime": {"exporting/onnx.py", "exporting/runtime_check.py"},
    "nncf": {"exporting/openvino.py"},
    "openvino": {"exporting/openvino.py", "exporting/runtime_check.py"},
    "ai_edge_quantizer": {"compat/quantizer.py", "exporting/quantization.py"},
    "apache_beam": {
        "batch/filesystem.py",
        "batch/pipeline.py",
        "batch/running.py",
    },
    "pyarrow": {"batch/parquet.py", "batch/running.py"},
    "ai_edge_litert": {"exporting/runtime_check.py", "litert_model.py"},
    "starlette": {"serving/app.py", "serving/middleware.py"},
    "uvicorn": {"compat/connections.py", "serving/server.py"},
    "orjson": {"serving/request.py", "serving/response.py"},
    "prometheus_client": {"serving/metrics.py"},
    "tensorflow_serving": {"exporting/warmup.py", "serving/warming.py"},
    "keras_cv": {"data/augmentation_layers.py", "kerascv_networks.py"},
    "wandb": {"training/loggers.py"},
    "mlflow": {"training/loggers.py"},
    "tensorflow_datasets": {"data/tfds.py"},
}
MODULES = sorted(path for path in ROOT.rglob("*.py") if path.name != "make_sample.py")


@functools.cache
def imported(path):
    """The full names of all that a file imports, at the top or inside."""
    return named_in(ast.walk(ast.parse(path.read_text())))


@functools.cache
def named_by_types(path):
    """The full names of what a file imports for type checkers alone."""
    tree = ast.parse(path.read_text())
    blocks = [
        one
        for one in ast.walk(tree)
        if isinstance(one, ast.If) and ast.unparse(one.test) == "TYPE_CHECKING"
    ]
    return named_in(node for block in blocks for node in block.body)


def named_in(nodes):
    names = []
    for node in nodes:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def floor(part):
    return next(number for number, parts in enumerate(FLOORS) if part in parts)


def parts_imported(path):
    """The parts of this package that a file imports."""
    return {name.split(".")[1] for name in imported(path) if name[:9] == "keras_vit"}


def test_imports_point_down():
    assert floor("cli") == len(FLOORS) - 1
    wrong = []
    for path in MODULES:
        part = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if part in ("__init__", "__main__"):
            continue
        wrong += [
            f"{path.relative_to(ROOT)}, on floor {floor(part)}, imports {other}, on "
            f"floor {floor(other)}"
            for other in sorted(parts_imported(path) - {part, "__version__"})
            if floor(other) >= floor(part) and (part, other) not in WITHIN_FLOOR
        ]
    assert not wrong, "\n".join(wrong)


def test_a_heavy_package_has_one_door():
    wrong = [
        f"{path.relative_to(ROOT)} imports {package}: ask {', '.join(sorted(doors))}"
        for path in MODULES
        for package, doors in DOORS.items()
        if any(
            name.split(".")[0] == package
            for name in {*imported(path)} - {*named_by_types(path)}
        )
        and str(path.relative_to(ROOT)) not in doors
    ]
    assert not wrong, "\n".join(wrong)


def test_the_tables_need_the_standard_library_alone():
    names = ("variants", "preprocessing", "decoding", "choices", "dataset_names")
    names += ("releases", "suggestions", "version")
    tables = [ROOT / f"{name}.py" for name in names]
    for path in [*tables, *(ROOT / "recipes").glob("*.py")]:
        place = str(path.relative_to(ROOT))
        doors = {package for package, files in DOORS.items() if place in files}
        tops = {one.split(".")[0] for one in imported(path)}
        assert tops <= {*sys.stdlib_module_names, "keras_vit", *doors}


def test_importing_the_package_loads_keras_and_nothing_heavier():
    heavy = [
        "apache_beam",
        "pyarrow",
        "keras_cv",
        "tensorflow_datasets",
        "jinja2",
        "matplotlib",
        "absl.flags",
        "PIL",
        "tqdm",
    ]
    code = (
        "import keras, sys; before = set(sys.modules); import keras_vit; "
        f"print([m for m in {heavy} if m in set(sys.modules) - before])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
