"use strict";

// Classifies pictures by the server that this page came from.

const element = (id) => document.getElementById(id);
const model = `v1/models/${encodeURIComponent(document.body.dataset.model)}`;
const mostBytes = Number(document.body.dataset.most);
const DETAIL = 16; // pixels of the drawn map for each patch
const COLOURS = [ // of attention from none to the most
  [0, 0, 4],
  [87, 16, 110],
  [188, 55, 84],
  [249, 142, 9],
  [252, 255, 164],
];

let signatures = {};
let latest = 0; // the number of the picture that is shown

const ready = describe();

async function describe() {
  try {
    const told = await ask("GET", `${model}/metadata`);
    signatures = told.metadata.signature_def.signature_def;
    element("version").textContent = `Version ${told.model_spec.version}`;
    if (!takesImageFiles("serving_default")) {
      throw new Error("This model takes pixels, no image files.");
    }
  } catch (error) {
    complain(error);
  }
}

function takesImageFiles(signature) {
  return signature in signatures && "image_bytes" in signatures[signature].inputs;
}

async function ask(method, path, body) {
  let response;
  try {
    response = await fetch(path, { method, body });
  } catch {
    throw new Error("The server does not answer.");
  }
  const told = await response.json();
  if (!response.ok) {
    throw new Error(told.error);
  }
  return told;
}

async function predict(signature, base64) {
  const question = { signature_name: signature, instances: [{ b64: base64 }] };
  const told = await ask("POST", `${model}:predict`, JSON.stringify(question));
  const [prediction] = told.predictions;
  if (prediction.error) {
    throw new Error(prediction.error);
  }
  return prediction;
}

async function classify(file) {
  const number = ++latest;
  clear(file.name || "Pasted picture");
  try {
    if (file.size * 4 / 3 + 1000 > mostBytes) {
      const most = ((mostBytes - 1000) * 0.75 / 2 ** 20).toFixed(1);
      throw new Error(`This file is too large. The server takes up to ${most} MB.`);
    }
    element("status").textContent = "Looking ...";
    const [base64] = await Promise.all([encoded(file), show(file, number), ready]);
    const begun = performance.now();
    const prediction = await predict("serving_default", base64);
    const milliseconds = performance.now() - begun;
    if (number !== latest) {
      return;
    }
    list(prediction);
    element("status").textContent = `Answered in ${milliseconds.toFixed(0)} ms.`;
    if (takesImageFiles("attention")) {
      const attention = await predict("attention", base64);
      if (number === latest) {
        draw(attention);
      }
    }
  } catch (error) {
    if (number === latest) {
      complain(error);
    }
  }
}

function clear(name) {
  element("name").textContent = name;
  element("error").textContent = "";
  element("status").textContent = "";
  element("classes").replaceChildren();
  for (const id of ["figure", "map", "opacity-row"]) {
    element(id).hidden = true;
  }
}

function complain(error) {
  element("status").textContent = "";
  element("error").textContent = error.message;
}

function encoded(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new Error("The file cannot be read."));
    reader.readAsDataURL(file);
  });
}

// The browser turns the picture upright, as Exif says, like the model. One that it
// cannot show may be one that the model can read.
async function show(file, number) {
  const picture = element("picture");
  URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(file);
  picture.alt = `The picture ${file.name || "that was pasted"}`;
  try {
    await picture.decode();
  } catch {
    return;
  }
  if (number === latest) {
    element("figure").hidden = false;
  }
}

function list(prediction) {
  element("classes").replaceChildren(
    ...prediction.classes.map((name, index) => {
      const percent = 100 * prediction.probabilities[index];
      const item = document.createElement("li");
      const label = part("span", "class", name);
      const share = part("span", "share", `${percent.toFixed(1)} %`);
      const track = part("div", "track", "");
      const bar = part("div", "bar", "");
      track.setAttribute("aria-hidden", "true");
      bar.style.width = `${percent}%`;
      track.append(bar);
      item.append(label, " ", share, track);
      return item;
    }),
  );
}

function part(tag, kind, text) {
  const made = document.createElement(tag);
  made.className = kind;
  made.textContent = text;
  return made;
}

// The grid of patches becomes a picture of as many pixels, which is drawn larger,
// smoothly, over the part of the picture that the model saw.
function draw({ attention, window: [top, left, height, width] }) {
  const [rows, columns] = [attention.length, attention[0].length];
  const values = attention.flat();
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const pixels = new ImageData(columns, rows);
  values.forEach((value, index) => {
    const share = most > least ? (value - least) / (most - least) : 0;
    pixels.data.set([...colour(share), 255], 4 * index);
  });
  const grid = document.createElement("canvas");
  [grid.width, grid.height] = [columns, rows];
  grid.getContext("2d").putImageData(pixels, 0, 0);

  const map = element("map");
  [map.width, map.height] = [columns * DETAIL, rows * DETAIL];
  const context = map.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(grid, 0, 0, map.width, map.height);
  for (const [side, share] of Object.entries({ top, left, height, width })) {
    map.style[side] = `${100 * share}%`;
  }
  map.hidden = element("opacity-row").hidden = false;
  fade();
}

function colour(share) {
  const place = share * (COLOURS.length - 1);
  const below = Math.min(Math.floor(place), COLOURS.length - 2);
  return COLOURS[below].map(
    (value, index) => value + (place - below) * (COLOURS[below + 1][index] - value),
  );
}

function fade() {
  element("map").style.opacity = element("opacity").value / 100;
}

function fileIn(transfer) {
  return [...(transfer?.files ?? [])][0];
}

element("opacity").addEventListener("input", fade);
element("file").addEventListener("change", ({ target }) => {
  if (target.files.length) {
    classify(target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  }
});
document.addEventListener("paste", ({ clipboardData }) => {
  const file = fileIn(clipboardData);
  if (file) {
    classify(file);
  }
});
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) {
    document.body.classList.remove("over");
  }
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  const file = fileIn(event.dataTransfer);
  if (file) {
    classify(file);
  } else {
    clear("");
    complain(new Error("No picture file was dropped."));
  }
});
