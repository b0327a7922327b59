// SPDX-License-Identifier: Apache-2.0
// The form for a question: its text, and pictures by file, paste, drop and camera.

import {takePicture} from "./camera.js";
import {button, byId, make, say} from "./dom.js";
import {examples} from "./examples.js";
import {filesOf, read} from "./pictures.js";

const mostPictures = 16;
let pictures = [];
let isBusy = () => false, onAsk = () => {};

function draw() {
  byId("pictures").replaceChildren(...pictures.map((url, i) => make("li", {},
    make("img", {src: url, alt: `Picture ${i + 1}`}),
    button("✕", () => {
      pictures.splice(i, 1);
      draw();
      byId("add-picture").focus();
    }, {"aria-label": `Remove picture ${i + 1}`}))));
}

function add(url) {
  if (pictures.length === mostPictures) return say(`A question can have ${mostPictures} pictures.`);
  pictures.push(url);
  draw();
  say(`Picture ${pictures.length} was added.`);
}

async function addFiles(files) {
  for (const file of files)
    try {
      add(await read(file));
    } catch (e) {
      say(e.message);
    }
}

function send() {
  const text = byId("question").value.trim();
  if (isBusy() || (!text && pictures.length === 0)) return;
  const asked = pictures;
  pictures = [];
  byId("question").value = "";
  draw();
  onAsk(text, asked);
}

function listenForDrops() {
  const target = document.querySelector("main");
  let depth = 0;  // of elements that the pointer has entered
  const mark = change => {
    depth = Math.max(0, depth + change);
    target.classList.toggle("dropping", depth > 0);
  };
  target.addEventListener("dragenter", () => mark(1));
  target.addEventListener("dragleave", () => mark(-1));
  // Everywhere: a file that misses the page's middle must not replace the page.
  document.addEventListener("dragover", e => e.preventDefault());
  document.addEventListener("drop", e => {
    e.preventDefault();
    mark(-depth);
    const files = filesOf(e.dataTransfer);
    if (files.length) addFiles(files);
    else say("Drop a picture file here.");
  });
}

/** `ask(text, pictures)` sends a question. */
export function start({busy, ask}) {
  isBusy = busy;
  onAsk = ask;
  byId("ask").addEventListener("submit", e => {
    e.preventDefault();
    send();
  });
  byId("question").addEventListener("keydown", e => {
    if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
    e.preventDefault();
    send();
  });
  document.addEventListener("paste", e => {
    const files = filesOf(e.clipboardData);
    if (!files.length) return;  // text goes where it belongs
    e.preventDefault();
    addFiles(files);
  });
  listenForDrops();
  byId("add-picture").onclick = () => byId("picture-file").click();
  byId("picture-file").onchange = async e => {
    const files = [...e.target.files];
    e.target.value = "";
    await addFiles(files);
  };
  byId("camera").onclick = () => takePicture(add);
  byId("examples").replaceChildren(...examples.map(({question, picture}) => button("", () => {
    pictures = [picture];
    byId("question").value = question;
    draw();
    byId("question").focus();
  })));
  examples.forEach(({question, picture}, i) =>
    byId("examples").children[i].append(make("img", {src: picture, alt: ""}), question));
}
