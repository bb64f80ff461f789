// A .tflite file that `keras-vit export` wrote, run by LiteRT.js.

import {
  isWebGPUSupported,
  loadAndCompile,
  loadLiteRt,
  supportsFeature,
  Tensor,
  unloadLiteRt,
} from "@litertjs/core";

import { associatedFiles } from "./associated_files.js";

const RUNTIME = new URL("node_modules/@litertjs/core/wasm/", import.meta.url).href;
const WRITE_ONE = "Write one with: keras-vit export --model=MODEL --format=tflite";
const TOLERANCE = 1e-3; // of logits on the GPU, relative to the largest above 1

/**
 * Fetches a model and makes it ready to run.
 *
 * @param {string} url of the .tflite file.
 * @returns {Promise<Object>} `size`: [height, width]; `labels`, where it names its
 *   classes; `preprocessing`: the fields of `keras_vit.preprocessing.Preprocessing`;
 *   `runsOn`: in words; and `classify`, which takes the height x width x 3 RGB pixels
 *   in [0, 255] of one image and gives `logits`, `probabilities` and `milliseconds`.
 * @throws {Error} in words for people, if there is no such model.
 */
export async function loadModel(url) {
  const bytes = await fetchModel(url);
  const files = associatedFiles(bytes);
  if (!("preprocessing.json" in files)) {
    throw new Error(`${url} does not say how to resize pictures. ${WRITE_ONE}`);
  }
  const { compiled, runsOn } = await compile(bytes);
  const [batch, height, width] = compiled.getInputDetails()[0].shape;
  if (batch !== 1) {
    throw new Error(`${url} takes ${batch} pictures at a time, not one. ${WRITE_ONE}`);
  }
  return {
    size: [height, width],
    labels: files["labels.txt"]?.replace(/\n$/, "").split("\n"),
    preprocessing: JSON.parse(files["preprocessing.json"]),
    runsOn,
    classify: (pixels) => run(compiled, pixels),
  };
}

async function fetchModel(url) {
  const response = await fetch(url);
  if (!response.ok) {
    throw new Error(`There is no ${url} beside this page. ${WRITE_ONE}`);
  }
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (new TextDecoder().decode(bytes.subarray(4, 8)) !== "TFL3") {
    throw new Error(`${url} is not a .tflite file. ${WRITE_ONE}`);
  }
  return bytes;
}

/** On the GPU where that agrees with the CPU and is faster, else on the CPU. */
async function compile(bytes) {
  if (isWebGPUSupported() && (await navigator.gpu.requestAdapter())) {
    try {
      return await compileForGpu(bytes);
    } catch (error) {
      console.warn("The model stays on the CPU:", error);
      unloadLiteRt();
    }
  }
  const threads = crossOriginIsolated && (await supportsFeature("relaxedSimd"));
  await loadLiteRt(RUNTIME, { threads });
  const compiled = await loadAndCompile(bytes, { accelerator: "wasm" });
  await warmedUp(compiled);
  const count = compiled.options.cpuOptions.numThreads;
  return { compiled, runsOn: `the CPU (${count} thread${count > 1 ? "s" : ""})` };
}

async function compileForGpu(bytes) {
  // With JSPI, operations that the GPU lacks run on the CPU in between.
  await loadLiteRt(RUNTIME, { jspi: await supportsFeature("jspi") });
  const onCpu = await loadAndCompile(bytes, { accelerator: "wasm" });
  const expected = await warmedUp(onCpu);
  onCpu.delete();
  const gpuOptions = { precision: "fp32" };
  const compiled = await loadAndCompile(bytes, { accelerator: "webgpu", gpuOptions });
  const received = await warmedUp(compiled);
  const allowed = TOLERANCE * Math.max(1, ...expected.logits.map(Math.abs));
  const near = (logit, i) => Math.abs(logit - received.logits[i]) <= allowed;
  if (!expected.logits.every(near)) throw new Error("WebGPU gives other logits");
  if (received.milliseconds > expected.milliseconds)
    throw new Error("WebGPU is slower");
  const whole = compiled.isFullyAccelerated;
  return { compiled, runsOn: whole ? "the GPU" : "the GPU and the CPU" };
}

/** The answer to noise, the second time: the first run of a model is slower. */
async function warmedUp(compiled) {
  const count = compiled.getInputDetails()[0].shape.reduce((a, b) => a * b);
  const noise = Float32Array.from({ length: count }, (_, i) => (i * 7919) % 256);
  await run(compiled, noise);
  return run(compiled, noise);
}

async function run(compiled, pixels) {
  const [{ name, shape, dtype }] = compiled.getInputDetails();
  const count = shape.reduce((a, b) => a * b);
  if (pixels.length !== count) {
    throw new Error(`Expected ${shape.join(" x ")} numbers, got ${pixels.length}.`);
  }
  const numbers =
    dtype === "uint8"
      ? new Uint8Array(Uint8ClampedArray.from(pixels)) // rounded, not cut
      : Float32Array.from(pixels);
  const images = new Tensor(numbers, shape);
  const start = performance.now();
  const outputs = await compiled.run({ [name]: images });
  const answer = {};
  for (const [key, tensor] of Object.entries(outputs)) {
    answer[key] = Array.from(await tensor.data());
    tensor.delete();
  }
  answer.milliseconds = performance.now() - start;
  images.delete();
  return answer;
}
