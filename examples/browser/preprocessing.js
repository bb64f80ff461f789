// From a picture of any size to the pixels that a model takes: the arithmetic of
// keras_vit.data.preprocessing. A canvas could resize, too, but with a filter that is
// not said, that differs between browsers, and that no model was evaluated with.

const LONGEST = 32; // times as long as wide, of which the middle is looked at

const KERNELS = {
  bilinear: { radius: 1, weight: (x) => Math.max(0, 1 - x) },
  bicubic: {
    radius: 2, // Keys's, a = -0.5
    weight: (x) =>
      x < 1 ? (1.5 * x - 2.5) * x * x + 1 : ((-0.5 * x + 2.5) * x - 4) * x + 2,
  },
};

const toByte = (x) => Math.min(255, Math.max(0, x));
const rounded = (x) => toByte(Math.floor(x + 0.5));
const LEVELS = {
  float: (x) => x,
  truncate: (x) => toByte(Math.trunc(x)),
  round: rounded,
};

/**
 * Resizes and crops a picture as a model's evaluation does.
 *
 * @param {ImageData} image RGBA pixels; what is transparent counts as it is painted.
 * @param {number[]} size height and width in pixels.
 * @param {Object} how the fields of `keras_vit.preprocessing.Preprocessing`.
 * @returns {Float32Array} RGB pixels in [0, 255], height x width x 3.
 */
export function preprocess(image, size, how) {
  const whole =
    how.aspect === "short_side" ? middle(image) : [0, 0, image.height, image.width];
  const sides = whole.slice(2);
  let around = size.map((side) => Math.floor(side / how.crop_fraction + 1e-6));
  if (how.aspect === "short_side") around = covering(sides, around, how.arithmetic);
  const [rows, columns] = [0, 1].map((axis) => {
    const margin = marginOf(around[axis], size[axis], how.arithmetic);
    return tapsOf(sides[axis], around[axis], margin, size[axis], how);
  });
  const asPillow = how.antialias && how.levels === "round" && how.method in KERNELS;
  const [shorter, narrower] = [0, 1].map((axis) => sides[axis] - around[axis]);
  const between = asPillow ? rounded : LEVELS.float;
  if (!(asPillow && shorter > 0 && shorter > 2 * narrower)) {
    const narrow = alongRows(image, whole, columns, between);
    return alongColumns(narrow, columns.length, rows, LEVELS[how.levels]);
  }
  // Rows first, as in Pillow 13: the same of the picture on its side.
  const { data, width } = image;
  const side = { data: transposed(data, width, 4), width: image.height };
  const low = alongRows(side, [whole[1], whole[0], whole[3]], rows, between);
  const turned = alongColumns(low, rows.length, columns, LEVELS[how.levels]);
  return transposed(turned, rows.length, 3);
}

/** Pixels of so many channels, whose rows have become columns. */
function transposed(pixels, width, channels) {
  const height = pixels.length / (width * channels);
  return pixels.map((_, at) => {
    const [pixel, channel] = [Math.floor(at / channels), at % channels];
    const [x, y] = [Math.floor(pixel / height), pixel % height];
    return pixels[(y * width + x) * channels + channel];
  });
}

/** Top, left, height, width of what is left without the far ends of a long strip. */
function middle({ height, width }) {
  const most = LONGEST * Math.min(height, width);
  const cut = (side) => Math.floor(Math.max(side - most, 0) / 2);
  return [cut(height), cut(width), Math.min(height, most), Math.min(width, most)];
}

/** The sides of an image that keeps its aspect and just covers a target. */
function covering([height, width], [rows, columns], arithmetic) {
  const byHeight = rows * width >= columns * height;
  if (arithmetic === "big_vision") {
    const scale = Math.fround(byHeight ? rows / height : columns / width);
    return [height, width].map((side) => halfToEven(Math.fround(side * scale)));
  }
  if (arithmetic === "torchvision" && rows !== columns) {
    const ratio = Math.min(height / rows, width / columns);
    return [height, width].map((side) => halfToEven(side / ratio));
  }
  return byHeight
    ? [rows, Math.floor((width * rows) / height)]
    : [Math.floor((height * columns) / width), columns];
}

function marginOf(whole, side, arithmetic) {
  const margin = (whole - side) / 2;
  return arithmetic === "torchvision" ? halfToEven(margin) : Math.floor(margin);
}

function halfToEven(x) {
  const below = Math.floor(x);
  if (x - below === 0.5) return below % 2 ? below + 1 : below;
  return Math.round(x);
}

/** For each of `count` pixels from `offset` on: what it is made of, and how much. */
function tapsOf(old, scaled, offset, count, { method, antialias }) {
  const ratio = old / scaled;
  return Array.from({ length: count }, (_, index) => {
    const { first, last, weight } =
      method === "area"
        ? covered((index + offset) * ratio, ratio)
        : filtered(
            (index + offset + 0.5) * ratio,
            antialias ? Math.max(1, ratio) : 1,
            method,
          );
    const start = Math.max(0, first);
    const length = Math.min(old - 1, last) - start + 1;
    const weights = Array.from({ length }, (_, i) => weight(start + i));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { start, weights: weights.map((one) => one / sum) };
  });
}

function covered(from, ratio) {
  const to = from + ratio;
  const weight = (pixel) =>
    Math.max(0, Math.min(pixel + 1, to) - Math.max(pixel, from));
  return { first: Math.floor(from), last: Math.ceil(to) - 1, weight };
}

function filtered(centre, widened, method) {
  const { radius, weight } = KERNELS[method];
  const reach = radius * widened;
  return {
    first: Math.ceil(centre - reach - 0.5),
    last: Math.floor(centre + reach - 0.5),
    weight: (pixel) => weight(Math.abs(pixel + 0.5 - centre) / widened),
  };
}

function alongRows({ data, width }, [top, left, height], taps, level) {
  const out = new Float32Array(height * taps.length * 3);
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (const { start, weights } of taps) {
      const from = ((top + y) * width + left + start) * 4;
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        for (let i = 0; i < weights.length; i++)
          sum += weights[i] * data[from + 4 * i + channel];
        out[at++] = level(sum);
      }
    }
  }
  return out;
}

function alongColumns(image, width, taps, level) {
  const stride = width * 3;
  const out = new Float32Array(taps.length * stride);
  let at = 0;
  for (const { start, weights } of taps) {
    for (let x = 0; x < stride; x++) {
      let sum = 0;
      for (let i = 0; i < weights.length; i++)
        sum += weights[i] * image[(start + i) * stride + x];
      out[at++] = level(sum);
    }
  }
  return out;
}
