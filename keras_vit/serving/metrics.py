"""What a server counts, in Prometheus's format."""

import prometheus_client

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
IMAGES = (1, 2, 4, 8, 16, 32, 64)
CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST


class Metrics:
    """Counters of one server, and the memory and time of its process."""

    def __init__(self) -> None:
        self._registry = registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=registry)
        self._requests = prometheus_client.Counter(
            "keras_vit_requests", "Requests.", ("kind", "code"), registry=registry
        )
        self._seconds = prometheus_client.Histogram(
            "keras_vit_predict_seconds",
            "From a prediction's head to the end of its response.",
            buckets=SECONDS,
            registry=registry,
        )
        self._images = prometheus_client.Histogram(
            "keras_vit_batch_images",
            "Images that the model ran on at once.",
            ("signature",),
            buckets=IMAGES,
            registry=registry,
        )
        self._unreadable = prometheus_client.Counter(
            "keras_vit_unreadable_images",
            "Images that the model could not read.",
            registry=registry,
        )
        self._waiting = prometheus_client.Gauge(
            "keras_vit_waiting_images",
            "Images that wait for the model.",
            registry=registry,
        )
        self._version = prometheus_client.Gauge(
            "keras_vit_model_version", "The version that is served.", registry=registry
        )
        self._failures = prometheus_client.Counter(
            "keras_vit_model_load_failures",
            "Versions that could not be loaded.",
            registry=registry,
        )

    def answered(self, kind: str, code: int, seconds: float) -> None:
        """Count a response; `kind` is that of the request, such as `predict`."""
        self._requests.labels(kind, code).inc()
        if kind == "predict":
            self._seconds.observe(seconds)

    def ran(self, signature: str, images: int) -> None:
        """Count a batch."""
        self._images.labels(signature).observe(images)

    def unreadable(self, images: int) -> None:
        """Count image files that could not be read."""
        self._unreadable.inc(images)

    def loaded(self, version: int) -> None:
        """Record the version that is served from now on."""
        self._version.set(version)

    def failed_to_load(self) -> None:
        """Count a version that could not be loaded."""
        self._failures.inc()

    def text(self, waiting: int) -> bytes:
        """Return all counts as text, with so many images waiting now."""
        self._waiting.set(waiting)
        return prometheus_client.generate_latest(self._registry)
