// What kerasseg.data.letterbox with Pillow's resize, and kerasseg.logits do, to the bit: the same picture, the same class ids.
// Pillow 13 begins with the columns where a picture is more than twice as tall as wide: there a pixel may differ by one step.

const PAD = 127;
const BITS = 22;  // of Pillow's fixed-point weights (Resample.c, PRECISION_BITS)

/** Weights of Pillow's antialiased bilinear filter: for each output, the first input and the weights from there on. */
function bilinearWeights(from, to) {
  const scale = from / to;
  const support = Math.max(scale, 1);
  const found = [];
  for (let i = 0; i < to; i++) {
    const center = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5));
    const last = Math.min(from, Math.trunc(center + support + 0.5));
    const weights = [];
    let sum = 0;
    for (let x = first; x < last; x++) {
      const weight = Math.max(0, 1 - Math.abs((x - center + 0.5) / support));
      weights.push(weight);
      sum += weight;
    }
    found.push({first, weights: sum ? weights.map((weight) => weight / sum) : weights});
  }
  return found;
}

/** What Pillow makes of sums: bytes of their whole numbers. */
function store(sums, out, at) {
  for (let i = 0; i < sums.length; i++) out[at + i] = Math.floor(sums[i] / 2 ** BITS);
}

/**
 * Resizes as Pillow's BILINEAR does: across, then down, each rounded by itself.
 * @param {Uint8ClampedArray} pixels height x width x channels
 */
export function resizeBilinear(pixels, height, width, channels, toHeight, toWidth) {
  const half = 2 ** (BITS - 1);
  const tapsFor = (from, to) => bilinearWeights(from, to).map(({first, weights}) => (
    {first, weights: Float64Array.from(weights, (weight) => Math.trunc(weight * 2 ** BITS + 0.5))}));
  const row = toWidth * channels;
  let across = pixels;
  if (toWidth !== width) {
    const taps = tapsFor(width, toWidth), sums = new Float64Array(row);
    across = new Uint8ClampedArray(height * row);
    for (let y = 0; y < height; y++) {
      for (let x = 0, i = 0; x < toWidth; x++) {
        const {first, weights} = taps[x];
        for (let c = 0; c < channels; c++, i++) {
          let sum = half;
          for (let k = 0, at = (y * width + first) * channels + c; k < weights.length; k++, at += channels) {
            sum += pixels[at] * weights[k];
          }
          sums[i] = sum;
        }
      }
      store(sums, across, y * row);
    }
  }
  if (toHeight === height) return across;
  const out = new Uint8ClampedArray(toHeight * row), sums = new Float64Array(row), taps = tapsFor(height, toHeight);
  for (let y = 0; y < toHeight; y++) {
    const {first, weights} = taps[y];
    sums.fill(half);
    for (let k = 0; k < weights.length; k++) {
      const weight = weights[k], from = (first + k) * row;
      for (let i = 0; i < row; i++) sums[i] += across[from + i] * weight;
    }
    store(sums, out, y * row);
  }
  return out;
}

/** Python's round: halves go to the even number. */
function round(value) {
  const down = Math.floor(value), rest = value - down;
  if (rest !== 0.5) return Math.round(value);
  return down % 2 === 0 ? down : down + 1;
}

/**
 * Fits a picture into the model's input: in the top left, proportions kept, grey beside it.
 * @param {ImageData} image
 * @param {[number, number]} size height and width of the input
 * @returns {{pixels: Uint8ClampedArray, inner: [number, number]}} height x width x RGB, and how large the picture is in it
 */
export function letterbox(image, size) {
  const {width, height, data} = image;
  const scale = Math.min(size[0] / height, size[1] / width);
  const fit = (side, most) => Math.min(most, Math.max(1, round(side * scale)));
  const inner = [fit(height, size[0]), fit(width, size[1])];
  const rgb = new Uint8ClampedArray(height * width * 3);
  for (let i = 0, j = 0; i < data.length; i += 4) {
    rgb[j++] = data[i];
    rgb[j++] = data[i + 1];
    rgb[j++] = data[i + 2];
  }
  const small = resizeBilinear(rgb, height, width, 3, inner[0], inner[1]);
  const pixels = new Uint8ClampedArray(size[0] * size[1] * 3).fill(PAD);
  for (let y = 0; y < inner[0]; y++) {
    pixels.set(small.subarray(y * inner[1] * 3, (y + 1) * inner[1] * 3), y * size[1] * 3);
  }
  return {pixels, inner};
}

/** Grey of RGB, as Pillow's mode L: what a network of one channel takes. */
export function grey(rgb) {
  const found = new Uint8ClampedArray(rgb.length / 3);
  for (let i = 0, j = 0; i < found.length; i++, j += 3) {
    found[i] = (19595 * rgb[j] + 38470 * rgb[j + 1] + 7471 * rgb[j + 2] + 32768) >> 16;
  }
  return found;
}

/** Of `wanted` places among `count`: the one before, the one after, and how far between them it lies, a float32. */
function neighbours(count, wanted) {
  return Array.from({length: wanted}, (_, i) => {
    const place = Math.min(Math.max((i + 0.5) * (count / wanted) - 0.5, 0), count - 1);
    const before = Math.trunc(place);
    return {before, after: Math.min(before + 1, count - 1), share: Math.fround(place - before)};
  });
}

/** one + (other - one) * share in float32, which rounds after each operation. */
function blend(one, other, share) {
  return Math.fround(Math.fround(Math.fround(other - one) * share) + one);
}

/** The number of the largest of some values, the first of equals. */
function largest(values, at, count) {
  let best = 0;
  for (let c = 0; c < count; c++) {
    if (!Number.isFinite(values[at + c])) throw new Error("a logit is not finite: the weights overflowed");
    if (values[at + c] > values[at + best]) best = c;
  }
  return best;
}

/**
 * The class of the largest logit of each pixel; coarser logits are first resized, down, then across.
 * @param {TypedArray} logits h x w x classes
 * @param {[number, number, number]} shape
 * @param {[number, number]} size height and width of the class ids
 * @param {number} offset added to integers before they are resized: those of an int8 file are uint8 here
 */
export function classIds(logits, shape, size, offset) {
  const [height, width, classes] = shape, row = width * classes;
  const ids = new Uint8Array(size[0] * size[1]);
  if (height === size[0] && width === size[1]) {
    for (let i = 0; i < ids.length; i++) ids[i] = largest(logits, i * classes, classes);
    return ids;
  }
  const columns = neighbours(width, size[1]), between = new Float32Array(row), mixed = new Float32Array(classes);
  neighbours(height, size[0]).forEach(({before: top, after: bottom, share: down}, y) => {
    for (let i = 0; i < row; i++) {
      between[i] = blend(logits[top * row + i] + offset, logits[bottom * row + i] + offset, down);
    }
    columns.forEach(({before, after, share}, x) => {
      for (let c = 0; c < classes; c++) mixed[c] = blend(between[before * classes + c], between[after * classes + c], share);
      ids[y * size[1] + x] = largest(mixed, 0, classes);
    });
  });
  return ids;
}

/** Class ids back to the picture's own size, as Pillow's NEAREST does, whose places are sums of steps. */
export function restore(ids, size, inner, height, width) {
  const places = (from, to) => {
    const step = from / to, found = new Int32Array(to);
    for (let i = 0, at = step * 0.5; i < to; i++, at += step) found[i] = Math.trunc(at);
    return found;
  };
  const ys = places(inner[0], height), xs = places(inner[1], width);
  const out = new Uint8Array(height * width);
  for (let y = 0, i = 0; y < height; y++) {
    const row = ys[y] * size[1];
    for (let x = 0; x < width; x++) out[i++] = ids[row + xs[x]];
  }
  return out;
}
