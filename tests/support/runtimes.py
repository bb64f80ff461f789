"""Exported files in their own runtimes."""


def by_onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    return lambda images: session.run(["logits", "probabilities"], {"images": images})


def by_openvino(path):
    import openvino

    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(path, "CPU", exact)

    def run(images):
        told = model({"images": images})
        return told["logits"], told["probabilities"]

    return run


def runner(path):
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(str(path)).get_signature_runner("serving_default")


def by_interpreter(path, images):
    run = runner(path)
    (given,) = run.get_input_details().values()
    return run(images=images.astype(given["dtype"]))
