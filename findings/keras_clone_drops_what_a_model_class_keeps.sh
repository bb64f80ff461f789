#!/usr/bin/env bash
# A registered subclass of keras.Model that is built from inputs and outputs and whose
# get_config adds an argument of its own: a saved file, from_config and JSON bring that
# argument back, keras.models.clone_model drops it, without a word, although the clone has
# the same class. The documentation advises get_config for custom classes, and the code has a
# road that would use it, but the function that clones layers is never unset by then. What
# the configs of layers hold does survive. One would guess that whatever get_config says is
# cloned.
# Seen with Keras 3.15.1, on the TensorFlow backend.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -q --disable-pip-version-check \
  keras==3.15.1 tensorflow-cpu==2.21.0 numpy==2.4.6
cd "$room"
TF_CPP_MIN_LOG_LEVEL=3 "$room/venv/bin/python" -W ignore - <<'PY'
import keras


@keras.saving.register_keras_serializable("finding")
class Named(keras.Model):
    def __init__(self, inputs, outputs, name=None, *, classes=None, **kwargs):
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)
        self.classes = classes

    def get_config(self):
        return super().get_config() | {"classes": self.classes}


x = keras.Input((4,))
model = Named(x, keras.layers.Dense(2)(x), classes=["cat", "dog"])
model.save("named.keras")
kept = {
    "saved and loaded": keras.models.load_model("named.keras").classes,
    "from JSON": keras.models.model_from_json(model.to_json()).classes,
    "from its config": Named.from_config(model.get_config()).classes,
}
clone = keras.models.clone_model(model)
print(kept, "| cloned:", type(clone).__name__, clone.classes)
assert all(value == ["cat", "dog"] for value in kept.values())
assert type(clone) is Named and clone.classes is None
PY
