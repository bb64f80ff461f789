"""What a server counts, in Prometheus's format."""

import prometheus_client

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
IMAGES = (1, 2, 4, 8, 16, 32, 64)
CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST


class Metrics:
    """Counters of one server, and the memory and time of its process."""

    def __init__(self):
        self._registry = registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=registry)
        self._requests = prometheus_client.Counter(
            "keras_vit_requests", "Requests.", ("kind", "code"), registry=registry
        )
        self._seconds = prometheus_client.Histogram(
            "keras_vit_predict_seconds",
            "From a prediction's head to the end of its answer.",
            buckets=SECONDS,
            registry=registry,
        )
        self._images = prometheus_client.Histogram(
            "keras_vit_batch_images",
            "Images that the model was given at once.",
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
            "keras_vit_model_version", "The version that answers.", registry=registry
        )
        self._failures = prometheus_client.Counter(
            "keras_vit_model_load_failures",
            "Versions that could not be loaded.",
            registry=registry,
        )

    def answered(self, kind, code, seconds):
        """Counts an answer; `kind` is what was asked, such as `predict`."""
        self._requests.labels(kind, code).inc()
        if kind == "predict":
            self._seconds.observe(seconds)

    def ran(self, signature, images):
        """Counts a batch."""
        self._images.labels(signature).observe(images)

    def unreadable(self, images):
        """Counts images that were none."""
        self._unreadable.inc(images)

    def loaded(self, version):
        """Notes the version that answers from now on."""
        self._version.set(version)

    def failed_to_load(self):
        """Counts a version that could not be loaded."""
        self._failures.inc()

    def text(self, waiting):
        """All of it, with so many images waiting now."""
        self._waiting.set(waiting)
        return prometheus_client.generate_latest(self._registry)
