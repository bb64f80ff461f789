// The page: a picture comes in, the likeliest classes are shown.

import { preprocess } from "./preprocessing.js";

const MODEL = "model.tflite";
const MOST = 5; // classes that are shown

const [drop, input, status] = ["drop", "file", "status"].map(element);
const [result, picture, answers] = ["result", "picture", "answers"].map(element);
let model;
let turn = Promise.resolve(); // pictures are classified one after the other

input.addEventListener("change", () => {
  take(input.files[0]);
  input.value = ""; // so that the same file can be chosen again
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
addEventListener("dragleave", () => drop.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault(); // else the browser would show the file itself
  drop.classList.remove("over");
  if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  else complain("That was no file. Drop a picture from a folder of this machine.");
});
start().catch((error) => complain(error.message));

async function start() {
  say("The model is loading ...");
  const { loadModel } = await import("./model.js").catch((error) => {
    throw new Error(`LiteRT.js is not here (${error.message}). Get it with: npm ci`);
  });
  model = await loadModel(MODEL);
  window.classify = model.classify; // in the browser's console, too
  input.disabled = false;
  say(`The model is ready. It runs on ${model.runsOn}.`);
}

function take(file) {
  if (!model || !file) return;
  turn = turn
    .then(() => show(file))
    .catch((error) => complain(`${file.name}: ${error.message}`));
}

async function show(file) {
  say(`Looking at ${file.name} ...`);
  result.hidden = true;
  const image = await decode(file);
  const answer = await window.classify(
    preprocess(image, model.size, model.preprocessing),
  );
  const likeliest = answer.probabilities
    .map((probability, index) => [
      model.labels?.[index] ?? `class ${index}`,
      probability,
    ])
    .sort((a, b) => b[1] - a[1])
    .slice(0, MOST);
  answers.replaceChildren(...likeliest.map(row));
  URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(file);
  result.hidden = false;
  say(`${file.name}: ${answer.milliseconds.toFixed(1)} ms on ${model.runsOn}`);
}

/** The RGBA pixels of an image file, upright, in the numbers that the file holds. */
async function decode(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    throw new Error("this is no picture that the browser can read.");
  }
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height).getContext("2d");
  canvas.fillStyle = "white"; // behind what is transparent
  canvas.fillRect(0, 0, width, height);
  canvas.drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.getImageData(0, 0, width, height);
}

function row([name, probability]) {
  const item = document.createElement("li");
  const [label, share, bar] = ["label", "share", "bar"].map((part) => {
    const element = document.createElement("span");
    element.className = part;
    return element;
  });
  label.textContent = name;
  share.textContent = `${(100 * probability).toFixed(1)} %`;
  bar.style.setProperty("--share", `${100 * probability}%`);
  item.append(label, share, bar);
  return item;
}

function element(id) {
  return document.getElementById(id);
}

function say(text) {
  status.textContent = text;
  status.classList.remove("wrong");
}

function complain(text) {
  say(text);
  status.classList.add("wrong");
}
