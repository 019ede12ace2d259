import {loadAndCompile, loadLiteRt, Tensor} from "@litertjs/core";
import {classIds, grey, letterbox, restore} from "./segment.js";

const $ = (id) => document.getElementById(id);
const about = await (await fetch("model.json")).json();
const lookup = about.lookup;  // value 0..255 -> what the file takes
const hasGpu = Boolean(await navigator.gpu?.requestAdapter());  // a browser may know WebGPU and have none
let engine = null, running = null, camera = null;

function say(text, bad = false) {
  $("state").textContent = text;
  $("state").className = bad ? "bad" : "";
}

async function start(accelerator) {
  say("loading the runtime and the model");
  engine?.delete();
  engine = null;
  const options = accelerator === "webgpu" ? {jspi: "Suspending" in WebAssembly} : {threads: globalThis.crossOriginIsolated};
  const kind = JSON.stringify(options);
  if (running !== null && running !== kind) {  // LiteRT.js loads one form of itself a page
    location.search = `?backend=${accelerator}`;
    return;
  }
  if (running === null) await loadLiteRt(new URL(about.wasm, location.href).href, options);
  running = kind;
  engine = await loadAndCompile("model.tflite", {accelerator});
  $("about").textContent = `${about.name}: ${about.size[0]}x${about.size[1]}, ${(about.bytes / 1024).toFixed(0)} KiB, ${about.recipe}.`;
  say(`ready on ${accelerator === "wasm" && globalThis.crossOriginIsolated ? "WASM, several threads" : accelerator.toUpperCase()}`);
}

/** Class ids of a picture at its own size, and the milliseconds of each part. */
export async function segment(image) {
  const begin = performance.now();
  const {pixels: rgb, inner} = letterbox(image, about.size);
  const pixels = about.channels === 1 ? grey(rgb) : rgb;
  const values = new (about.float ? Float32Array : Uint8Array)(pixels.length);
  for (let i = 0; i < values.length; i++) values[i] = lookup[pixels[i]];
  const fitted = performance.now();
  const input = new Tensor(values, [1, ...about.size, about.channels]);
  const [output] = await engine.run(input);
  const here = await output.moveTo("wasm");
  const logits = here.toTypedArray().slice();
  const ran = performance.now();
  input.delete();
  here.delete();
  const small = classIds(logits, about.logits, about.size, about.offset);
  const ids = restore(small, about.size, inner, image.height, image.width);
  const done = performance.now();
  return {ids, width: image.width, height: image.height, ms: {fit: fitted - begin, model: ran - fitted, classes: done - ran}};
}

async function decoded(blob) {
  // Upright, and the pixels as they are stored: no colour management.
  const options = {imageOrientation: "from-image", colorSpaceConversion: "none", premultiplyAlpha: "none"};
  const bitmap = await createImageBitmap(blob, options);
  return pixelsOf(bitmap, bitmap.width, bitmap.height);
}

function pixelsOf(source, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.drawImage(source, 0, 0);
  return context.getImageData(0, 0, width, height);
}

function show(image, found) {
  for (const id of ["picture", "overlay"]) {
    $(id).width = image.width;
    $(id).height = image.height;
  }
  $("picture").getContext("2d").putImageData(image, 0, 0);
  const colors = new ImageData(image.width, image.height), counts = new Float64Array(about.class_names.length);
  for (let i = 0; i < found.ids.length; i++) {
    const id = found.ids[i];
    counts[id]++;
    colors.data.set(about.colors[id], 4 * i);
    colors.data[4 * i + 3] = 255;
  }
  $("overlay").getContext("2d").putImageData(colors, 0, 0);
  const total = found.ids.length;
  for (let id = 0; id < counts.length; id++) {
    const row = $("legend").rows[id];
    row.cells[2].textContent = `${(100 * counts[id] / total).toFixed(2)} %`;
    row.classList.toggle("absent", counts[id] === 0);
  }
  const {fit, model, classes} = found.ms;
  $("time").textContent = `${model.toFixed(1)} ms the model, ${fit.toFixed(1)} ms fitting, ${classes.toFixed(1)} ms classes`;
}

async function run(image) {
  const found = await segment(image);
  show(image, found);
  globalThis.last = found;  // for who looks with a console
  return found;
}

export async function runBlob(blob) {
  stopCamera();
  say("segmenting");
  try {
    const found = await run(await decoded(blob));
    say("done");
    return found;
  } catch (error) {
    say(`this picture could not be segmented: ${error.message ?? error}`, true);
    throw error;
  }
}

function stopCamera() {
  camera?.getTracks().forEach((track) => track.stop());
  camera = null;
  $("camera").textContent = "Camera";
}

async function toggleCamera() {
  if (camera) return stopCamera();
  try {
    camera = await navigator.mediaDevices.getUserMedia({video: {facingMode: "environment"}});
  } catch (error) {
    return say(`no camera: ${error.message ?? error}`, true);
  }
  $("camera").textContent = "Stop";
  const video = document.createElement("video");
  video.srcObject = camera;
  video.muted = video.playsInline = true;
  await video.play();
  while (camera) {
    await run(pixelsOf(video, video.videoWidth, video.videoHeight));
    await new Promise(requestAnimationFrame);
  }
}

function build() {
  document.title = `${about.name} in the browser`;
  $("title").textContent = about.name;
  about.class_names.forEach((name, id) => {
    const row = $("legend").insertRow();
    const patch = document.createElement("span");
    patch.className = "patch";
    patch.style.background = `rgb(${about.colors[id]})`;
    row.insertCell().append(patch);
    row.insertCell().textContent = name;
    row.insertCell().className = "n";
  });
  for (const name of about.examples) {
    const button = document.createElement("button");
    const picture = document.createElement("img");
    picture.src = `examples/${encodeURIComponent(name)}`;
    picture.alt = name;
    button.append(picture);
    button.onclick = async () => runBlob(await (await fetch(picture.src)).blob());
    $("examples").append(button);
  }
  $("opacity").oninput = () => ($("overlay").style.opacity = $("opacity").value / 100);
  $("file").onchange = () => $("file").files[0] && runBlob($("file").files[0]);
  $("camera").onclick = toggleCamera;
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    const file = event.dataTransfer.files[0];
    if (file) runBlob(file);
  });
  if (!hasGpu) $("backend").querySelector("[value=webgpu]").remove();
  $("backend").onchange = () => begin($("backend").value);
}

async function begin(accelerator) {
  try {
    await start(accelerator);
  } catch (error) {
    say(`${accelerator}: ${error.message ?? error}`, true);
    throw error;
  }
}

build();
const asked = new URLSearchParams(location.search).get("backend");
$("backend").value = asked === "webgpu" && hasGpu ? asked : "wasm";
await begin($("backend").value);
globalThis.kerasseg = {about, runBlob, segment};
if (about.examples.length) $("examples").querySelector("button").click();
