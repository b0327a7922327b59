// SPDX-License-Identifier: Apache-2.0
/// page_files: the files of the web page. Written by tests/serve/page_files.py from page/; change those, not these.
#pragma once
#include <string_view>

#include <llava/base/macros.hpp>

LLAVA_BEGIN
namespace serve {

/// A file of the page.
struct page_file {
  std::string_view name, type, text;
};

inline constexpr page_file page_files[] = {
    {"answers.js", "text/javascript; charset=utf-8", R"page(// SPDX-License-Identifier: Apache-2.0
// Gets answers: streams them, measures them, stops them.

import * as api from "./api.js";
import {loggedMessages, turns} from "./chats.js";
import {inMode} from "./pictures.js";

/** The messages of a request, with their pictures in the mode of their question. */
async function messagesOf(chat, side, leaf) {
  return Promise.all(turns(chat, side, leaf).map(async turn => {
    if (!turn.pictures) return {role: "assistant", content: turn.text};
    if (!turn.pictures.length) return {role: "user", content: turn.text};
    const parts = await Promise.all(turn.pictures.map(async url =>
      ({type: "image_url", image_url: {url: await inMode(url, turn.mode)}})));
    if (turn.text) parts.push({type: "text", text: turn.text});
    return {role: "user", content: parts};
  }));
}

const seconds = (from, to) => (to - from) / 1000;

/** What is shown of an answer's tokens and times, in seconds. */
function measured(start, times, usage) {
  const stats = {total: seconds(start, performance.now())};
  if (times.first) stats.first = seconds(start, times.first);
  if (!usage) return stats;
  stats.prompt = usage.prompt_tokens;
  stats.cached = usage.prompt_tokens_details?.cached_tokens ?? 0;
  stats.completion = usage.completion_tokens;
  const span = times.first ? seconds(times.first, times.last) : 0;
  if (usage.completion_tokens > 1 && span > 0) stats.rate = (usage.completion_tokens - 1) / span;
  return stats;
}

/** Streams one model's answer into `answer`. Calls onChange as it grows. Throws nothing. */
async function stream(chat, side, question, answer, settings, signal, onChange) {
  const start = performance.now(), times = {};
  try {
    const messages = await messagesOf(chat, side, question);
    const body = {model: answer.model, messages, temperature: settings.temperature,
      top_p: settings.topP, max_tokens: settings.maxTokens};
    if (settings.hasUsage) body.stream_options = {include_usage: true};
    const {finish, usage} = await api.answer(body, signal, piece => {
      times.last = performance.now();
      times.first ??= times.last;
      answer.text += piece;
      onChange();
    });
    answer.finish = finish;
    answer.stats = measured(start, times, usage);
  } catch (e) {
    if (e.name === "AbortError") answer.finish = "stopped";
    else answer.failure = e.message;
    answer.stats = measured(start, times, null);
  }
  onChange();
}

/** The images of a conversation as the model got them, for the log. */
const loggedImages = (chat, side, question) => Promise.all(turns(chat, side, question).flatMap(turn =>
  (turn.pictures ?? []).map(url => inMode(url, turn.mode))));

/** Streams the answers of all models of the chat to a question. */
export async function answerAll(chat, question, node, settings, signal, onChange) {
  await Promise.all(node.answers.map((answer, side) =>
    stream(chat, side, question, answer, settings, signal, () => onChange(side))));
}

/** Tells the server about ended answers, for its log. A log that does not work costs no answer. */
export async function logAnswers(chat, question, node) {
  const leaf = chat.nodes.indexOf(node);
  for (const [side, answer] of node.answers.entries())
    try {
      if (answer.text)
        await api.record({type: "chat", model: answer.model, messages: loggedMessages(chat, side, leaf),
          seconds: answer.stats.total, images: await loggedImages(chat, side, question)});
    } catch { /* the answer stays */ }
}
)page"},
    {"api.js", "text/javascript; charset=utf-8", R"page(// SPDX-License-Identifier: Apache-2.0
// Asks the server that the page comes from. If it needs a key, the person is asked for it once.

let key = sessionStorage.getItem("llava-key") ?? "";
let askForKey = async () => "";

/** `ask` gets a key from the person, or "". */
export function onKeyNeeded(ask) {
  askForKey = ask;
}

/** What the server says about an error, as an Error. */
async function failure(response) {
  let sentence = `The server answered with status ${response.status}.`;
  try {
    sentence = (await response.json()).error.message || sentence;
  } catch { /* not JSON */ }
  return Object.assign(new Error(sentence), {status: response.status});
}

async function call(path, options = {}) {
  for (;;) {
    const headers = {...(options.body ? {"Content-Type": "application/json"} : {}),
      ...(key ? {Authorization: `Bearer ${key}`} : {})};
    let response;
    try {
      response = await fetch(path, {...options, headers, credentials: "omit", redirect: "error"});
    } catch (e) {
      if (e.name === "AbortError") throw e;
      throw new Error("The server does not answer.");
    }
    if (response.ok) return response;
    const error = await failure(response);
    if (response.status !== 401) throw error;
    key = await askForKey();
    if (!key) throw error;
    sessionStorage.setItem("llava-key", key);
  }
}

const longest = 32 << 20;  // characters of a request; servers take no more bytes

async function post(path, body, signal) {
  const text = JSON.stringify(body);
  if (text.length > longest) throw new Error("The pictures of this chat are too large together. Begin a new chat.");
  return call(path, {method: "POST", body: text, signal});
}

/** {log, embed, usage, version} */
export const pageSettings = async () => (await call("page/settings")).json();

/** The models: [{id, modalities}]. */
export const listModels = async () => (await (await call("v1/models")).json()).data;

/** Tells the server about an answer or a vote, for its log. Returns whether it was saved. */
export async function record(body) {
  return (await (await post("page/record", body)).json()).saved;
}

/** The data of the server-sent events of a response. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    text += value;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const lines = text.slice(0, end).split("\n").filter(line => line.startsWith("data:"));
      yield lines.map(line => line.slice(5).replace(/^ /, "")).join("\n");
    }
  }
}

/**
 * Streams an answer. Calls onText(piece). Returns {finish, usage}; usage is null if the server counts no tokens.
 * Throws an Error with the server's sentence, or an AbortError.
 */
export async function answer(body, signal, onText) {
  const response = await post("v1/chat/completions", {...body, stream: true}, signal);
  let finish = null, usage = null, isWhole = false;
  for await (const data of events(response)) {
    if (data === "[DONE]") {
      isWhole = true;
      continue;
    }
    const chunk = JSON.parse(data);
    if (chunk.error) throw new Error(chunk.error.message);
    usage = chunk.usage ?? usage;
    const choice = chunk.choices[0];
    if (!choice) continue;
    if (choice.delta.content) onText(choice.delta.content);
    finish = choice.finish_reason ?? finish;
  }
  if (!isWhole) throw new Error("The connection was lost before the answer was complete.");
  return {finish, usage};
}
)page"},
    {"camera.js", "text/javascript; charset=utf-8", R"page(// SPDX-License-Identifier: Apache-2.0
// Takes a picture with the camera, in a dialog.

import {byId, say} from "./dom.js";
import {taken} from "./pictures.js";

/** Calls onPicture(data: URL) if the person takes one. */
export async function takePicture(onPicture) {
  const dialog = byId("camera-dialog"), view = byId("camera-view");
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: "environment"}});
  } catch {
    // Browsers give the camera only to pages on this machine or behind TLS.
    return say("There is no camera, or the browser does not let this page use it.");
  }
  view.srcObject = stream;
  byId("camera-take").onclick = () => {
    if (!view.videoWidth) return;  // it has not begun
    onPicture(taken(view));
    dialog.close();
  };
  byId("camera-close").onclick = () => dialog.close();
  dialog.onclose = () => {
    for (const track of stream.getTracks()) track.stop();
    view.srcObject = null;
  };
  dialog.showModal();
}
)page"},
    {"chats.js", "text/javascript; charset=utf-8", R"page(// SPDX-License-Identifier: Apache-2.0
// A chat is a tree of messages, of which one path is shown: an edited question and another answer are branches.
//
//   chat    {id, title, changed, models: [1 or 2 names], hidden, vote, nodes, leaf}
//   node    {parent, role: "user", text, pictures: [data: URL], mode}
//           {parent, role: "assistant", answers: [one for each model], rating}
//   answer  {model, text, finish, failure, stats}
//
// `parent` and `leaf` are indices of nodes; -1: none. `hidden`: the names of two models are shown after the vote.

export function newChat(models, hidden) {
  return {id: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, title: "", changed: Date.now(), models, hidden,
    vote: null, nodes: [], leaf: -1};
}

/** The indices of the nodes from the root to the leaf. */
export function path(chat, leaf = chat.leaf) {
  const indices = [];
  for (let i = leaf; i >= 0; i = chat.nodes[i].parent) indices.unshift(i);
  return indices;
}

const childrenOf = (chat, parent) => chat.nodes.flatMap((node, i) => node.parent === parent ? [i] : []);

/** The branches at a node: {all: [indices], at: the place of this one}. */
export function branches(chat, index) {
  const all = childrenOf(chat, chat.nodes[index].parent);
  return {all, at: all.indexOf(index)};
}

/** Shows the newest path through a node. */
export function show(chat, index) {
  for (let next; (next = childrenOf(chat, index).at(-1)) !== undefined;) index = next;
  chat.leaf = index;
}

/** Adds a question below the node `parent`, and shows it. */
export function addQuestion(chat, parent, text, pictures, mode) {
  chat.nodes.push({parent, role: "user", text, pictures, mode});
  chat.leaf = chat.nodes.length - 1;
  chat.title ||= (text || "Picture").slice(0, 60);
  return chat.leaf;
}

/** Adds empty answers of the chat's models below a question, and shows them. Returns the node. */
export function addAnswers(chat, parent) {
  const answers = chat.models.map(model => ({model, text: "", finish: null, failure: null, stats: null}));
  chat.nodes.push({parent, role: "assistant", answers, rating: null});
  chat.leaf = chat.nodes.length - 1;
  return chat.nodes[chat.leaf];
}

/** The questions and answers of one model up to a node, without questions that it did not answer. */
export function turns(chat, side, leaf) {
  const nodes = path(chat, leaf).map(i => chat.nodes[i]);
  const kept = [];
  for (const [i, node] of nodes.entries()) {
    const reply = nodes[i + 1]?.answers?.[side].text;
    if (node.role === "user" && (reply || i === nodes.length - 1)) kept.push(node);
    else if (node.role === "assistant" && node.answers[side].text) kept.push(node.answers[side]);
  }
  return kept;
}

/** The messages of a conversation for the log, as LLaVA's web server writes them. */
export function loggedMessages(chat, side, leaf = chat.leaf) {
  return turns(chat, side, leaf).map(turn => turn.pictures
    ? ["user", turn.text + "\n<image>".repeat(turn.pictures.length)] : ["assistant", turn.text]);
}

// --- files -----------------------------------------------------------------------------------------------------------

/** The text of a file with these chats. */
export const exported = chats => JSON.stringify({format: "llava-chats", version: 1, chats}, null, 1);

const isText = value => typeof value === "string" && value.length < 1 << 20;
const isPicture = value => typeof value === "string" && value.length < 1 << 25 &&
  /^data:image\/(png|jpeg);base64,[A-Za-z0-9+/]+={0,2}$/.test(value);

function checkedAnswer(answer) {
  if (!isText(answer.model) || !isText(answer.text)) throw new Error("an answer is not complete");
  const text = value => isText(value) ? value : null;
  const stats = Object.entries(answer.stats ?? {}).filter(([, value]) => Number.isFinite(value));
  return {model: answer.model, text: answer.text, finish: text(answer.finish), failure: text(answer.failure),
    stats: answer.stats ? Object.fromEntries(stats) : null};
}

function checkedNode(node, index, all, models) {
  const {parent} = node;
  const isRoot = parent === -1;
  if (!isRoot && !(Number.isInteger(parent) && parent >= 0 && parent < index))
    throw new Error("a message has no parent");
  if ((isRoot ? "assistant" : all[parent].role) === node.role)
    throw new Error("questions and answers do not alternate");
  if (node.role === "user") {
    const {text, pictures} = node;
    if (!isText(text) || !Array.isArray(pictures) || pictures.length > 64 || !pictures.every(isPicture))
      throw new Error("a question is not complete");
    return {parent, role: "user", text, pictures, mode: isText(node.mode) ? node.mode : "Default"};
  }
  if (node.role !== "assistant" || !Array.isArray(node.answers) || node.answers.length !== models)
    throw new Error("a message is neither a question nor an answer");
  return {parent, role: "assistant", answers: node.answers.map(checkedAnswer),
    rating: isText(node.rating) ? node.rating : null};
}

function checkedChat(chat) {
  const {models} = chat;
  if (!Array.isArray(models) || models.length < 1 || models.length > 2 || !models.every(isText))
    throw new Error("a chat has no models");
  if (!Array.isArray(chat.nodes) || chat.nodes.length > 10000) throw new Error("a chat has no messages");
  const nodes = chat.nodes.map((node, i) => checkedNode(node, i, chat.nodes, models.length));
  const made = newChat([...models], chat.hidden === true);
  made.nodes = nodes;
  made.title = isText(chat.title) ? chat.title.slice(0, 60) : "";
  made.vote = isText(chat.vote) ? chat.vote : null;
  made.leaf = Number.isInteger(chat.leaf) && nodes[chat.leaf]?.role === "assistant" ? chat.leaf : -1;
  if (made.leaf < 0 && nodes.length) show(made, 0);
  return made;
}

/** Reads the text of a file. Only what the page knows is kept. Throws an Error that says what is wrong. */
export function imported(text) {
  let file;
  try {
    file = JSON.parse(text);
  } catch {
    throw new Error("The file is not JSON.");
  }
  if (file?.format !== "llava-chats" || file.version !== 1 || !Array.isArray(file.chats))
    throw new Error("The file has no chats of this page.");
  try {
    return file.chats.map(checkedChat);
  } catch (e) {
    throw new Error(`The file cannot be read: ${e instanceof TypeError ? "a part is missing" : e.message}.`);
  }
}
)page"},
    {"composer.js", "text/javascript; charset=utf-8", R"page(// SPDX-License-Identifier: Apache-2.0
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
)page"},
    {"dom.js", "text/javascript; charset=utf-8", R"page(// SPDX-License-Identifier: Apache-2.0
// Builds elements. Text only ever becomes text nodes, never markup.

export const byId = id => document.getElementById(id);

/** Makes an element. Properties that begin with "on" are listeners, "class" is its class; others are attributes. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter(child => child != null));
  return element;
}

/** A button that submits no form. `label`: its name for screen readers, if its text does not say it. */
export function button(text, onclick, properties = {}) {
  return make("button", {type: "button", onclick, ...properties}, text);
}

/** Shows a sentence below the answers, and tells it to screen readers. */
export function say(sentence) {
  byId("status").textContent = sentence;
}
)page"},
    {"examples.js", "text/javascript; charset=utf-8", R"page(// SPDX-License-Identifier: Apache-2.0
// The two example questions. Their pictures are drawn by tests/oracle/draw_images.py.

export const examples = [
  {
    question: "How many shapes are there?",
    picture: "data:image/png;base64," +
      "iVBORw0KGgoAAAANSUhEUgAAAIAAAACACAIAAABMXPacAAACf0lEQVR42u3du1bjQBBF0XEvQzYkw/9/oUhw5kkmcGjGllrdXdXW" +
      "vilILO6pU7L8gNPyff0lcSkqAAAAAQAAAQAAAQAAAQAAAQAAAQAAAQAA6ZtzqxP9+Xj/35e+vOjWD8CD3u+/B4mWANZU/+MhMDS4" +
      "BlS03+TYDPn8/R4MYH+DszOIBNCqu0kZ3Ma/oQQlsDUebAPQo6+5GLTd/tsA9Gtq6l00CEDvjo68izwVEbl/VgEYM54zStAECQMi" +
      "xx+A9NeAkZsh7RZ6MP77zWBAcM6H/c1brfX151kuVwY8qWP8jzsfWf9bKf0e4awh7RrQV4WnJz8D0EmFlVwZ0EWF9acCoD2DTSc5" +
      "Pf2g9rD7o1Qv1tetowp+DGhWZZ09AASnJNkM2d4sVLGC6rYWA9IbMGA8j/xeuRLeUcL2q+/IKg4ssU1NN/vL5dr2qYsS2NeM7TfH" +
      "UKJam6v9HxtvwqCEdJe5/fs9/qDoezBbLwNlfIMTzf7KVbNHhbKnx61VVhwyy7MR1QxOrf5q4mt8Ruy2QPZM9NYzNHtB5mVupnZe" +
      "WpfLddNl4OTvhs5xJywAACAAACAAACAAACAAACAAACAAACAAfH68ASBHBXAb/0klYAAA7bb/jBIwAICmD36mk4ABALR+7D+XBAwA" +
      "oMOt70QSMACA1uM/lwQMAKDD+E8kAQMA6DP+s0jAAAA6j3NyCRgAQP9BziwBAwAYMsJpJWAAAKOGN6cEDABg4NgmlIABAIwd2GwS" +
      "MACA4aOaSgIGABAxpHkkYAAAQeOZRAIGABA3mBkkYAAAoSMZLgEDGBA9jLESJPpXhsv3XwYIAAAIAAAIAAAIAAAIAAAIAAAIAC+a" +
      "f/kozYquk8EAAAAAAElFTkSuQmCC",
  },
  {
    question: "Is there a star?",
    picture: "data:image/png;base64," +
      "iVBORw0KGgoAAAANSUhEUgAAAHgAAAB4CAIAAAC2BqGFAAACHUlEQVR42u3bMXLCUAyE4VjjDs6SMtfgrLkGJWchXYoUbjKZMAPP" +
      "kp68+nfSBczwsZYx9lvu9+83Eh+DAGigCdBAA02ABpoADTTQBGigCdBAA02ABpoADTTQBGigCdAv5vPjHWgarVXnhFLTaBqtMp2B" +
      "TkUHmkYLzQ0aDbRcxw1TGs3o0K1zXNMXjcVC+aNgy+V669Xo59/wrBddxJa/5VR74HNVm9EJ1R57CcGDYaj18MYX4ZWzvmNk5+en" +
      "/PXOsdr7NyX+PdrF2mUjS5NF92NjxHGf6HJmOEDme1Dlt46kdIEeGB2+X1poNI0GmgDtPG0dx3T3Rl+ut5yfWK25chq3/pnhv7v/" +
      "I9aXHkyjx0/54qpt3YifcYywNoqcYx0+o8+n9dG/7l/hh4dt5u5R27+F2EafT+v2t/MxyUWOq7Z/o4fhEgo+MWsF4t9PV+W2Isru" +
      "2xFstDuNZLWtbAHFqm2VLZSs+T26PHRO3WRKbfXfv4Y1o6MwdH7FBEpNo6tCzyrX0UtNo4HuDD13/z309KDRQANNgAYaaAiABppE" +
      "Q8+9YHroy7U0Gujm0LP236Pf5kGjC0Pnl0vgriUaXRs6s2IaN+FZ8fcvc6sjo+MI0NF1U7pz18paiN0fvXqJOF45lVxdYdV0VNew" +
      "rO47O6uywqGHubWJo6D/2M1dOasP3VOTExaggSZAA02ABhpoAjTQBGiggSZAA02ABrpHfgDwo8pXYgBYugAAAABJRU5ErkJggg==",
  },
];
)page"},
    {"icon.svg", "image/svg+xml", R"page(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
  <rect width="32" height="32" rx="7" fill="#b5432a"/>
  <path d="M6 24 L13 11 L17 18 L20 13 L26 24 Z" fill="#fff"/>
  <circle cx="22" cy="8.5" r="3" fill="#ffd166"/>
</svg>
)page"},
    {"index.html", "text/html; charset=utf-8", R"page(<!doctype html>
<!-- SPDX-License-Identifier: Apache-2.0 -->
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>LLaVA</title>
  <link rel="icon" href="page/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="page/style.css">
  <script type="module" src="page/main.js"></script>
</head>
<body>
  <a class="skip" href="#question">Go to the question</a>
  <header id="top">
    <button type="button" id="menu" aria-expanded="false" aria-controls="side">Menu</button>
    <h1>LLaVA</h1>
    <button type="button" id="new-chat">New chat</button>
  </header>
  <div id="columns">
    <aside id="side" aria-label="Models, parameters and chats">
      <label for="compare">Answers by</label>
      <select id="compare">
        <option value="one">one model</option>
        <option value="hidden">two, names hidden</option>
        <option value="two">two, names shown</option>
      </select>
      <label for="model">Model</label>
      <select id="model"></select>
      <label for="model-b" class="of-two" hidden>Second model</label>
      <select id="model-b" class="of-two" hidden></select>
      <details id="parameters" aria-label="Parameters">
        <summary>Parameters</summary>
        <label for="temperature">Temperature <output for="temperature"></output></label>
        <input type="range" id="temperature" min="0" max="1" step="0.1" value="0.2">
        <label for="top-p">Top P <output for="top-p"></output></label>
        <input type="range" id="top-p" min="0" max="1" step="0.1" value="0.7">
        <label for="max-tokens">Max output tokens <output for="max-tokens"></output></label>
        <input type="range" id="max-tokens" min="64" max="1024" step="64" value="512">
        <fieldset id="mode">
          <legend>Pictures that are not square</legend>
          <label><input type="radio" name="mode" value="Crop"> Crop</label>
          <label><input type="radio" name="mode" value="Resize"> Resize</label>
          <label><input type="radio" name="mode" value="Pad"> Pad</label>
          <label><input type="radio" name="mode" value="Default" checked> Default</label>
        </fieldset>
      </details>
      <h2 id="chats-title">Chats</h2>
      <ul id="chats" aria-labelledby="chats-title"></ul>
      <div class="row">
        <button type="button" id="export">Export</button>
        <button type="button" id="import">Import</button>
        <input type="file" id="import-file" accept="application/json,.json" hidden aria-label="File of chats">
      </div>
      <p class="small">Chats stay in this browser.<span id="log-note" hidden> This server keeps a log of questions,
        answers, pictures and votes.</span></p>
    </aside>
    <main>
      <div id="panes"></div>
      <div id="vote" class="row" role="group" aria-label="Which answer is better?" hidden>
        <button type="button" data-vote="leftvote">A is better</button>
        <button type="button" data-vote="rightvote">B is better</button>
        <button type="button" data-vote="tievote">Tie</button>
        <button type="button" data-vote="bothbad_vote">Both are bad</button>
      </div>
      <p id="status" role="status" aria-live="polite"></p>
      <p id="spoken" class="hidden" aria-live="polite"></p>
      <form id="ask" aria-label="Your question">
        <div id="examples" class="row" role="group" aria-label="Examples"></div>
        <ul id="pictures" aria-label="Pictures of this question"></ul>
        <label for="question" class="hidden">Question</label>
        <textarea id="question" rows="2" placeholder="Enter text and press ENTER"></textarea>
        <div class="row">
          <button type="button" id="add-picture">Add picture</button>
          <input type="file" id="picture-file" accept="image/*" multiple hidden aria-label="Picture files">
          <button type="button" id="camera">Camera</button>
          <span class="space"></span>
          <button type="button" id="stop" hidden>Stop</button>
          <button type="submit" id="send">Send</button>
        </div>
      </form>
    </main>
  </div>
  <dialog id="key-dialog" aria-labelledby="key-title">
    <form method="dialog">
      <h2 id="key-title">This server needs a key</h2>
      <label for="key">API key</label>
      <input type="password" id="key" autocomplete="off" required>
      <p class="small">It is kept until this tab is closed.</p>
      <div class="row">
        <button type="submit" value="ok">Use it</button>
        <button type="submit" value="" formnovalidate>Cancel</button>
      </div>
    </form>
  </dialog>
  <dialog id="camera-dialog" aria-labelledby="camera-title">
    <h2 id="camera-title">Camera</h2>
    <video id="camera-view" autoplay playsinline muted></video>
    <div class="row">
      <button type="button" id="camera-take">Take picture</button>
      <button type="button" id="camera-close">Cancel</button>
    </div>
  </dialog>
  <noscript>This page needs JavaScript.</noscript>
</body>
</html>
)page"},
    {"main.js", "text/javascript; charset=utf-8", R"page(// SPDX-License-Identifier: Apache-2.0
// Starts the page.

import * as api from "./api.js";
import * as composer from "./composer.js";
import {byId, say} from "./dom.js";
import * as session from "./session.js";
import * as sidebar from "./sidebar.js";
import * as store from "./store.js";

/** Asks the person for the server's key. Questions that come meanwhile wait for the same dialog. */
let asking = null;
api.onKeyNeeded(() => asking ??= new Promise(resolve => {
  const dialog = byId("key-dialog");
  byId("key").value = "";
  dialog.onclose = () => {
    asking = null;
    resolve(dialog.returnValue === "ok" ? byId("key").value.trim() : "");
  };
  dialog.returnValue = "";
  dialog.showModal();
}));

/** Waits until the server has loaded its models. */
async function models() {
  for (let isWaiting = false;;) {
    const listed = await api.listModels();
    if (isWaiting) say("");
    if (listed.length) return listed.map(model => model.id);
    isWaiting = true;
    say("The server has no models yet …");
    await new Promise(resolve => setTimeout(resolve, 2000));
  }
}

async function start() {
  sidebar.start({onOpen: session.openChat, onModels: session.modelsChosen, busy: session.isBusy});
  composer.start({busy: session.isBusy, ask: session.ask});
  byId("stop").onclick = session.stop;
  byId("new-chat").onclick = () => {
    sidebar.closeMenu();
    session.openChat();
    byId("question").focus();
  };
  for (const choice of byId("vote").children) choice.onclick = () => session.vote(choice.dataset.vote);
  document.addEventListener("keydown", e => {
    if (e.key === "Escape" && !document.querySelector("dialog[open]")) session.stop();
  });
  await store.open();
  const settings = await api.pageSettings();
  document.body.classList.toggle("embedded", settings.embed);
  byId("log-note").hidden = !settings.log;
  sidebar.fillModels(await models());
  session.start(settings);
  byId("question").focus();
}

start().catch(e => say(e.message));
)page"},
    {"markdown.js", "text/javascript; charset=utf-8", R"page(// SPDX-License-Identifier: Apache-2.0
// Shows the Markdown that models write: paragraphs, headings, lists, code, emphasis. Everything else is text.

import {make} from "./dom.js";

/** The inline parts of a line: `code`, **strong**, *emphasis*. */
function inline(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(/`([^`\n]+)`|\*\*([^*\n]+)\*\*|\*([^*\s][^*\n]*)\*/g)) {
    if (found.index > end) parts.push(text.slice(end, found.index));
    if (found[1] !== undefined) parts.push(make("code", {}, found[1]));
    else if (found[2] !== undefined) parts.push(make("strong", {}, found[2]));
    else parts.push(make("em", {}, found[3]));
    end = found.index + found[0].length;
  }
  if (end < text.length) parts.push(text.slice(end));
  return parts;
}

const bullet = /^\s*[-*+]\s+(.*)$/;
const numbered = /^\s*(\d{1,9})[.)]\s+(.*)$/;

function list(lines, pattern) {
  const items = [];
  while (lines.length && pattern.test(lines[0]))
    items.push(make("li", {}, ...inline(lines.shift().match(pattern).at(-1))));
  return items;
}

function takeCode(lines) {
  lines.shift();
  const code = [];
  while (lines.length && !lines[0].startsWith("```")) code.push(lines.shift());
  lines.shift();  // its end, if it has come already
  return make("pre", {tabindex: "0"}, make("code", {}, code.join("\n")));
}

function takeParagraph(lines) {
  const text = [];
  const ends = line => !line.trim() || line.startsWith("```") || /^#{1,6}\s/.test(line) || bullet.test(line) ||
    numbered.test(line);
  do text.push(lines.shift()); while (lines.length && !ends(lines[0]));
  return make("p", {}, ...inline(text.join("\n")));
}

/** The elements that show a text. */
export function rendered(text) {
  const lines = text.split("\n");
  const blocks = [];
  while (lines.length) {
    const line = lines[0];
    const heading = line.match(/^(#{1,6})\s+(.*)$/);
    if (!line.trim()) lines.shift();
    else if (line.startsWith("```")) blocks.push(takeCode(lines));
    else if (heading) {
      lines.shift();
      blocks.push(make("p", {}, make("strong", {}, ...inline(heading[2]))));  // a chat has headings of its own
    } else if (bullet.test(line)) blocks.push(make("ul", {}, ...list(lines, bullet)));
    else if (numbered.test(line)) blocks.push(make("ol", {start: line.match(numbered)[1]}, ...list(lines, numbered)));
    else blocks.push(takeParagraph(lines));
  }
  return blocks;
}
)page"},
    {"messages.js", "text/javascript; charset=utf-8", R"page(// SPDX-License-Identifier: Apache-2.0
// Shows a chat: a pane for each model, with the messages of the shown path.

import {branches, path} from "./chats.js";
import {byId, button, make} from "./dom.js";
import {rendered} from "./markdown.js";

const ratings = [["upvote", "Upvote"], ["downvote", "Downvote"], ["flag", "Flag"]];

/** The name under which a model is shown. */
export function shownName(chat, side) {
  if (chat.models.length === 1) return chat.models[0];
  const letter = "AB"[side];
  return chat.hidden && !chat.vote ? `Model ${letter}` : `Model ${letter}: ${chat.models[side]}`;
}

/** The sentence about an answer's tokens and times. */
export function statsText(stats) {
  if (!stats) return "";
  const parts = [];
  if (stats.first !== undefined) parts.push(`first token after ${stats.first.toFixed(2)} s`);
  if (stats.rate !== undefined) parts.push(`${stats.rate.toFixed(1)} tokens/s`);
  if (stats.completion !== undefined) parts.push(`${stats.completion} tokens`);
  if (stats.prompt !== undefined) parts.push(`${stats.cached ?? 0} of ${stats.prompt} prompt tokens cached`);
  if (stats.total !== undefined) parts.push(`${stats.total.toFixed(2)} s in all`);
  return parts.join(" · ");
}

function branchTools(chat, index, actions) {
  const {all, at} = branches(chat, index);
  if (all.length < 2) return null;
  const step = (text, label, to) =>
    button(text, () => actions.show(to), {"aria-label": label, disabled: to === undefined || actions.isBusy()});
  return make("span", {class: "branches"}, step("‹", "Earlier version", all[at - 1]), ` ${at + 1}/${all.length} `,
    step("›", "Later version", all[at + 1]));
}

function editor(node, index, actions) {
  const box = make("textarea", {rows: "3", "aria-label": "Edit the question"});
  box.value = node.text;
  const save = () => actions.edit(index, box.value);
  box.addEventListener("keydown", e => {
    if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
      e.preventDefault();
      save();
    } else if (e.key === "Escape") {
      e.stopPropagation();
      actions.redraw();
    }
  });
  const tools = make("div", {class: "row tools"}, button("Ask again", save), button("Cancel", actions.redraw));
  return make("div", {}, box, tools);
}

function question(chat, index, actions) {
  const node = chat.nodes[index];
  const body = make("div", {class: "body"}, ...node.pictures.map((url, i) =>
    make("img", {class: "shown-picture", src: url, alt: `Picture ${i + 1} of the question`})));
  if (node.text) body.append(make("p", {}, node.text));
  const item = make("li", {class: "message user"}, make("div", {class: "who"}, "You"), body);
  const edit = button("Edit", () => {
    item.replaceChildren(make("div", {class: "who"}, "You"), editor(node, index, actions));
    item.querySelector("textarea").focus();
  }, {disabled: actions.isBusy()});
  item.append(make("div", {class: "row tools"}, edit, branchTools(chat, index, actions)));
  return item;
}

/** Fills the body of an answer, which may still grow. */
export function fillAnswer(item, answer, isBusy) {
  const body = item.querySelector(".body");
  body.setAttribute("aria-busy", isBusy);
  body.replaceChildren(...rendered(answer.text));
  if (answer.failure) body.append(make("p", {class: "failure"}, answer.failure));
  if (answer.finish === "length") body.append(make("p", {class: "small"}, "The answer has its full length."));
  if (answer.finish === "stopped") body.append(make("p", {class: "small"}, "You stopped the answer."));
  item.querySelector(".stats").textContent = statsText(answer.stats);
}

function reply(chat, index, side, actions) {
  const node = chat.nodes[index], answer = node.answers[side];
  const item = make("li", {class: "message assistant", "data-side": side, "data-node": index},
    make("div", {class: "who"}, shownName(chat, side)), make("div", {class: "body"}),
    make("p", {class: "small stats"}));
  const isBusy = actions.isAnswering(node);
  fillAnswer(item, answer, isBusy);
  const tools = make("div", {class: "row tools"});
  if (!isBusy) {
    const isFree = !actions.isBusy();
    tools.append(button("Regenerate", () => actions.regenerate(index), {disabled: !isFree}),
      button("Copy", () => actions.copy(answer.text)));
    if (actions.canRate(chat) && chat.models.length === 1 && !answer.failure)
      for (const [type, label] of ratings)
        tools.append(button(label, () => actions.rate(index, type),
          {disabled: node.rating !== null || !isFree, "aria-pressed": String(node.rating === type)}));
    const versions = branchTools(chat, index, actions);
    if (versions) tools.append(versions);
  }
  item.append(tools);
  return item;
}

/** Shows the chat. `actions`: what the buttons do. */
export function draw(chat, actions) {
  const panes = byId("panes");
  const ends = [...panes.children].map(pane => pane.scrollHeight - pane.scrollTop - pane.clientHeight);
  panes.replaceChildren(...chat.models.map((_, side) => {
    const list = make("ol", {class: "messages"}, ...path(chat).map(i =>
      chat.nodes[i].role === "user" ? question(chat, i, actions) : reply(chat, i, side, actions)));
    const title = chat.models.length === 1 ? null : make("h2", {}, shownName(chat, side));
    const label = `Answers of ${shownName(chat, side)}`;
    return make("section", {class: "pane", tabindex: "0", "aria-label": label}, title, list);
  }));
  [...panes.children].forEach((pane, i) => {
    if (!(ends[i] > 200)) pane.scrollTop = pane.scrollHeight;
  });
}

/** The items that show the answers of a node. */
export const itemsOf = (chat, node) =>
  [...document.querySelectorAll(`[data-node="${chat.nodes.indexOf(node)}"]`)];
)page"},
    {"pictures.js", "text/javascript; charset=utf-8", R"page(// SPDX-License-Identifier: Apache-2.0
// Pictures as data: URLs of PNG or JPEG files, and the modes of LLaVA's web server for pictures that are not square.

const longest = 1344, shortest = 672;  // pixels; larger pictures are made smaller, as there
const largestFile = 16 << 20;          // bytes of a file that is sent as it is
const padColour = "rgb(122, 116, 104)";

function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

async function decoded(url) {
  const picture = new Image();
  picture.src = url;
  await picture.decode();
  return picture;
}

/** Draws a picture on a canvas of this size and returns it as a PNG. `place`: [x, y, width, height] in it. */
function drawn(picture, width, height, place = [0, 0, width, height], background = null) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  if (background) {
    context.fillStyle = background;
    context.fillRect(0, 0, width, height);
  }
  context.drawImage(picture, ...place);
  return canvas.toDataURL("image/png");
}

/** The size to which a picture is made smaller, or its own. */
export function fitted(width, height) {
  const long = Math.max(width, height), short = Math.min(width, height);
  if (long <= longest) return [width, height];
  const ratio = long / short;
  const newShort = Math.max(1, Math.trunc(Math.min(longest / ratio, shortest, short)));
  const newLong = Math.min(longest, Math.trunc(newShort * ratio));
  return width >= height ? [newLong, newShort] : [newShort, newLong];
}

/** Reads a file that the person chose. A JPEG or PNG of a fitting size stays as it is. */
export async function read(file) {
  const url = URL.createObjectURL(file);
  try {
    const picture = await decoded(url);
    const {naturalWidth: width, naturalHeight: height} = picture;
    const size = fitted(width || 512, height || 512);  // a drawing without a size has none
    const isFitting = file.size <= largestFile && size[0] === width && size[1] === height;
    const isKept = isFitting && /^image\/(png|jpeg)$/.test(file.type);
    return isKept ? await dataUrl(file) : drawn(picture, ...size);
  } catch {
    throw new Error(`${file.name || "The picture"} is no picture that this browser can show.`);
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** The picture of a video that plays. */
export function taken(video) {
  return drawn(video, ...fitted(video.videoWidth, video.videoHeight));
}

/** The picture as the model gets it. Pad: squared with LLaVA's grey; Resize: 336 x 336; others: as it is. */
export async function inMode(url, mode) {
  if (mode !== "Pad" && mode !== "Resize") return url;
  const picture = await decoded(url);
  const {naturalWidth: width, naturalHeight: height} = picture;
  if (mode === "Resize") return drawn(picture, 336, 336);
  if (width === height) return url;
  const side = Math.max(width, height);
  const place = [Math.trunc((side - width) / 2), Math.trunc((side - height) / 2), width, height];
  const [newSide] = fitted(side, side);
  const padded = drawn(picture, side, side, place, padColour);
  return newSide === side ? padded : drawn(await decoded(padded), newSide, newSide);
}

/** The picture files of a paste or a drop. */
export const filesOf = transfer => [...transfer.files].filter(file => file.type.startsWith("image/"));
)page"},
    {"session.js", "text/javascript; charset=utf-8", R"page(// SPDX-License-Identifier: Apache-2.0
// The chat that is open, and what a person can do with it: ask, stop, regenerate, edit, go to a branch, vote, rate.

import * as answers from "./answers.js";
import * as api from "./api.js";
import {addAnswers, addQuestion, loggedMessages, newChat, show} from "./chats.js";
import {byId, say} from "./dom.js";
import * as messages from "./messages.js";
import * as sidebar from "./sidebar.js";
import * as store from "./store.js";

const answering = "Answering …";
let chat = null;
let running = null;  // {chat, node, abort} while answers are streamed
let server = {log: false, usage: false};

export const current = () => chat;
export const isBusy = () => running !== null;

const actions = {
  isBusy,
  isAnswering: node => running?.node === node,
  canRate: () => server.log,
  redraw,
  show(index) {
    show(chat, index);
    changed();
  },
  edit(index, text) {
    const {parent, pictures} = chat.nodes[index];
    if (text.trim() || pictures.length) ask(text, pictures, parent);
    else say("A question needs text or a picture.");
  },
  regenerate(index) {
    const question = chat.nodes[index].parent;
    chat.nodes[question].mode = sidebar.settings().mode;  // as LLaVA's web server does
    getAnswers(question);
  },
  async copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      say("The answer was copied.");
    } catch {
      say("The browser does not let this page copy.");
    }
  },
  async rate(index, type) {
    const node = chat.nodes[index];
    node.rating = type;
    changed();
    await tell({type, model: node.answers[0].model, messages: loggedMessages(chat, 0)}, "Thank you.");
  },
};

/** Records a vote, and says whether the server has it. */
async function tell(body, thanks) {
  try {
    say(await api.record(body) ? thanks : "The server could not save this.");
  } catch (e) {
    say(e.message);
  }
}

function redraw() {
  const last = chat.nodes[chat.leaf];
  const isAnswered = last?.role === "assistant" && last.answers.every(a => a.text || a.failure);
  byId("vote").hidden = chat.models.length !== 2 || chat.vote !== null || !isAnswered || isBusy();
  byId("examples").hidden = chat.nodes.length > 0;
  byId("stop").hidden = !isBusy();
  byId("send").disabled = isBusy();
  messages.draw(chat, actions);
  sidebar.drawChats(chat);
}

function changed() {
  store.save(chat);
  redraw();
}

/** Opens a chat, or a new one. */
export function openChat(opened = null) {
  chat = opened ?? newChat(...sidebar.chosenModels());
  sidebar.follow(chat);
  redraw();
}

/** A chat without messages takes the models that are chosen; one with messages takes another model from now on. */
export function modelsChosen() {
  const [models, hidden] = sidebar.chosenModels();
  if (chat.nodes.length === 0) Object.assign(chat, {models, hidden});
  else if (chat.models.length === 1 && models.length === 1) chat.models = models;
  else return openChat();
  redraw();
}

/** Asks a question below the node `parent`, or at the end of the chat. */
export async function ask(text, pictures, parent = chat.leaf) {
  if (isBusy()) return;
  await getAnswers(addQuestion(chat, parent, text, pictures, sidebar.settings().mode));
}

function onChange(run) {
  if (run.isDrawn || run.chat !== chat) return;
  run.isDrawn = true;
  requestAnimationFrame(() => {
    run.isDrawn = false;
    if (running !== run || run.chat !== chat) return;
    for (const item of messages.itemsOf(chat, run.node)) {
      const pane = item.closest(".pane");
      const isAtEnd = pane.scrollHeight - pane.scrollTop - pane.clientHeight < 100;
      messages.fillAnswer(item, run.node.answers[item.dataset.side], true);
      if (isAtEnd) pane.scrollTop = pane.scrollHeight;
    }
  });
}

/** Tells screen readers how the answers ended. */
function announce(run) {
  const parts = run.node.answers.map((answer, side) => {
    const name = run.chat.models.length === 2 ? `${messages.shownName(run.chat, side)}: ` : "";
    return name + (answer.failure ?? (answer.text || "The answer is empty."));
  });
  byId("spoken").textContent = parts.join("\n");
  if (byId("status").textContent === answering) say("");  // a warning stays
}

async function getAnswers(question) {
  const asked = chat, node = addAnswers(chat, question);
  const run = running = {chat, node, abort: new AbortController(), isDrawn: false};
  changed();
  say(answering);
  // The button that was pressed may be gone; who types goes on typing.
  if ([document.body, byId("send")].includes(document.activeElement)) byId("stop").focus();
  await answers.answerAll(asked, question, node, {...sidebar.settings(), hasUsage: server.usage}, run.abort.signal,
    () => onChange(run));
  running = null;
  await store.save(asked);
  const isAtStop = document.activeElement === byId("stop") || document.activeElement === document.body;
  redraw();
  announce(run);
  if (isAtStop) byId("question").focus();
  if (server.log) await answers.logAnswers(asked, question, node);
}

/** Ends the answers that are streamed; their text so far stays. */
export function stop() {
  running?.abort.abort();
}

/** A vote between two models, after which their names are shown. */
export async function vote(type) {
  chat.vote = type;
  changed();
  const names = `A is ${chat.models[0]}, B is ${chat.models[1]}.`;
  say(names);
  if (server.log)
    await tell({type, models: chat.models, conversations: [0, 1].map(side => loggedMessages(chat, side))}, names);
}

export function start(settings) {
  server = settings;
  openChat();
}
)page"},
    {"sidebar.js", "text/javascript; charset=utf-8", R"page(// SPDX-License-Identifier: Apache-2.0
// The models, the parameters and the list of chats.

import {exported, imported} from "./chats.js";
import {button, byId, make, say} from "./dom.js";
import * as store from "./store.js";

const sliders = ["temperature", "top-p", "max-tokens"];
let models = [];
let open = () => {}, isBusy = () => false;

/** {temperature, topP, maxTokens, mode} */
export function settings() {
  const [temperature, topP, maxTokens] = sliders.map(id => Number(byId(id).value));
  return {temperature, topP, maxTokens, mode: document.querySelector("[name=mode]:checked").value};
}

/** [the chosen models' names, whether they are hidden] */
export function chosenModels() {
  const compare = byId("compare").value;
  if (compare === "one") return [[byId("model").value], false];
  if (compare === "two") return [[byId("model").value, byId("model-b").value], false];
  const left = [...models];
  const draw = () => left.splice(Math.floor(Math.random() * left.length), 1)[0];
  return [[draw(), draw()], true];
}

/** Shows the models of a chat as the chosen ones. */
export function follow(chat) {
  if (chat.nodes.length === 0) return;
  byId("compare").value = chat.hidden ? "hidden" : chat.models.length === 2 ? "two" : "one";
  for (const [i, name] of chat.hidden ? [] : chat.models.entries())
    if (models.includes(name)) byId(["model", "model-b"][i]).value = name;
  showSelects();
}

function showSelects() {
  const compare = byId("compare").value;
  byId("model").hidden = document.querySelector("label[for=model]").hidden = compare === "hidden";
  for (const element of document.querySelectorAll(".of-two")) element.hidden = compare !== "two";
}

/** Fills the lists of models. A model in the page's address (?model=NAME) is chosen, or else the last one. */
export function fillModels(names) {
  models = names;
  const asked = new URLSearchParams(location.search).get("model");
  for (const [id, otherwise] of [["model", 0], ["model-b", 1]]) {
    byId(id).replaceChildren(...names.map(name => make("option", {value: name}, name)));
    byId(id).selectedIndex = Math.min(otherwise, names.length - 1);
  }
  const wanted = names.includes(asked) ? asked : store.setting("model", "");
  if (names.includes(wanted)) byId("model").value = wanted;
  for (const option of byId("compare").options) option.disabled = option.value !== "one" && names.length < 2;
  showSelects();
}

/** Lists the chats; `current` is the open one. */
export function drawChats(current) {
  byId("chats").replaceChildren(...store.all().map(chat => make("li", {},
    button(chat.title || "Chat", () => open(chat), {class: "title", "aria-current": String(chat === current)}),
    button("✕", async () => {
      if (isBusy()) return say("Stop the answer before you delete a chat.");
      await store.remove(chat.id);
      if (chat === current) open(null);
      else drawChats(current);
    }, {"aria-label": `Delete the chat ${chat.title}`}))));
}

function exportChats() {
  const link = make("a", {href: URL.createObjectURL(new Blob([exported(store.all())], {type: "application/json"})),
    download: `llava-chats-${new Date().toISOString().slice(0, 10)}.json`});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

async function importChats(file) {
  try {
    const chats = imported(await file.text());
    for (const chat of chats) await store.save(chat);
    say(`${chats.length} chats were imported.`);
    if (chats.length) open(chats[0]);
  } catch (e) {
    say(e.message);
  }
}

function keepParameters() {
  for (const id of sliders) {
    const slider = byId(id), shown = document.querySelector(`output[for=${id}]`);
    slider.value = store.setting(id, slider.value);
    const tell = () => { shown.textContent = slider.value; };
    slider.addEventListener("input", tell);
    slider.addEventListener("change", () => store.set(id, slider.value));
    tell();
  }
  for (const radio of document.querySelectorAll("[name=mode]")) {
    radio.checked = radio.value === store.setting("mode", "Default");
    radio.addEventListener("change", () => store.set("mode", radio.value));
  }
}

/** `onOpen` gets a chat, or null for a new one; `onModels` is called when other models were chosen. */
export function start({onOpen, onModels, busy}) {
  open = chat => {
    closeMenu();
    onOpen(chat);
  };
  isBusy = busy;
  keepParameters();
  for (const id of ["compare", "model", "model-b"])
    byId(id).addEventListener("change", () => {
      if (id === "model") store.set("model", byId(id).value);
      showSelects();
      onModels();
    });
  byId("export").onclick = exportChats;
  byId("import").onclick = () => byId("import-file").click();
  byId("import-file").onchange = e => {
    if (e.target.files.length) importChats(e.target.files[0]);
    e.target.value = "";
  };
  byId("menu").onclick = () => setMenu(!document.body.classList.contains("menu-open"));
}

function setMenu(isOpen) {
  document.body.classList.toggle("menu-open", isOpen);
  byId("menu").setAttribute("aria-expanded", isOpen);
}

export const closeMenu = () => setMenu(false);
)page"},
    {"store.js", "text/javascript; charset=utf-8", R"page(// SPDX-License-Identifier: Apache-2.0
// Keeps chats in the browser: in IndexedDB, because pictures are too large for localStorage. Where the browser forbids
// it, chats last until the page is closed. Settings are in localStorage.

import {say} from "./dom.js";

const chats = new Map();
let database = null;

const finished = request => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

const table = mode => database.transaction("chats", mode).objectStore("chats");

/** Reads all chats. */
export async function open() {
  try {
    const request = indexedDB.open("llava", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("chats", {keyPath: "id"});
    database = await finished(request);
    for (const chat of await finished(table("readonly").getAll())) chats.set(chat.id, chat);
  } catch {
    database = null;
    say("This browser keeps no chats: they are lost when the page is closed.");
  }
}

/** All chats, the latest first. */
export const all = () => [...chats.values()].sort((a, b) => b.changed - a.changed);

export const get = id => chats.get(id);

export async function save(chat) {
  chat.changed = Date.now();
  chats.set(chat.id, chat);
  try {
    if (database) await finished(table("readwrite").put(chat));
  } catch {
    say("The browser could not save the chat: it has no room. Export chats and delete some.");
  }
}

export async function remove(id) {
  chats.delete(id);
  if (database) await finished(table("readwrite").delete(id));
}

/** A setting of the page, a text; `otherwise` if there is none. */
export function setting(name, otherwise) {
  try {
    return localStorage.getItem(`llava-${name}`) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function set(name, value) {
  try {
    localStorage.setItem(`llava-${name}`, value);
  } catch { /* it is lost when the page is closed */ }
}
)page"},
    {"style.css", "text/css; charset=utf-8", R"page(/* SPDX-License-Identifier: Apache-2.0 */
:root {
  color-scheme: light dark;
  --back: #fbfaf8;
  --panel: #f1eeea;
  --text: #1d1b19;
  --faint: #5f5953;
  --line: #cfc8c0;
  --accent: #9c3620;
  --on-accent: #fff;
  --user: #e9e2f3;
  --wrong: #a40000;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #171614;
    --panel: #22201d;
    --text: #ece8e3;
    --faint: #aea69d;
    --line: #47423c;
    --accent: #f0987f;
    --on-accent: #20100b;
    --user: #322b40;
    --wrong: #ff9a8f;
  }
}
* { box-sizing: border-box; }
html, body { height: 100%; margin: 0; }
body {
  display: flex;
  flex-direction: column;
  background: var(--back);
  color: var(--text);
  font: 16px/1.5 system-ui, sans-serif;
}
[hidden] { display: none !important; }
.skip { position: absolute; left: -100em; }
.skip:focus { left: 1em; top: 1em; z-index: 3; background: var(--back); padding: .5em; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 1px; }
button, select, input, textarea { font: inherit; color: inherit; }
button, select {
  background: var(--panel);
  border: 1px solid var(--line);
  border-radius: 8px;
  padding: .35em .8em;
  min-height: 2.4em;
  cursor: pointer;
}
button:hover:enabled { border-color: var(--accent); }
button:disabled { opacity: .5; cursor: default; }
button[aria-pressed=true], #send { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
.row { display: flex; flex-wrap: wrap; gap: .5em; align-items: center; }
.space { flex: 1; }
.small { font-size: .85em; color: var(--faint); }

#top { display: flex; align-items: center; gap: 1em; padding: .5em 1em; border-bottom: 1px solid var(--line); }
#top h1 { flex: 1; margin: 0; font-size: 1.25em; }
#menu { display: none; }
body.embedded #top h1 { visibility: hidden; }
#columns { flex: 1; display: flex; min-height: 0; }
#side {
  width: 17em;
  padding: 1em;
  overflow-y: auto;
  background: var(--panel);
  border-right: 1px solid var(--line);
  display: flex;
  flex-direction: column;
  gap: .4em;
}
#side h2 { font-size: 1em; margin: .6em 0 0; }
#side button, #side select { background: var(--back); }
#side summary { cursor: pointer; padding: .3em 0; }
#parameters label { display: block; }
#parameters input[type=range] { width: 100%; accent-color: var(--accent); }
#parameters fieldset { border: 1px solid var(--line); border-radius: 8px; }
#chats { list-style: none; margin: 0; padding: 0; flex: 1; overflow-y: auto; min-height: 5em; }
#chats li { display: flex; gap: .3em; margin-bottom: .3em; }
#chats .title { flex: 1; text-align: left; overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }
#chats .title[aria-current=true] { border-color: var(--accent); border-width: 2px; }

main { flex: 1; display: flex; flex-direction: column; min-width: 0; padding: 0 1em 1em; }
main.dropping { outline: 3px dashed var(--accent); outline-offset: -6px; }
#panes { flex: 1; display: flex; gap: 1em; min-height: 0; }
.pane { flex: 1; min-width: 0; overflow-y: auto; }
.pane h2 { font-size: 1em; margin: .5em 0 0; position: sticky; top: 0; background: var(--back); }
.messages { list-style: none; margin: 0 auto; padding: .5em 0; max-width: 52em; }
.message { margin-bottom: 1em; padding: .6em .9em; border-radius: 12px; border: 1px solid transparent; }
.message.user { background: var(--user); margin-left: 10%; }
.message.assistant { border-color: var(--line); }
.who { font-weight: 600; font-size: .85em; color: var(--faint); }
.body { overflow-wrap: anywhere; }
.body p { margin: .3em 0; white-space: pre-wrap; }
.body pre { overflow-x: auto; background: var(--panel); padding: .6em; border-radius: 8px; }
.body[aria-busy=true]::after { content: "▌"; color: var(--accent); }
.failure { color: var(--wrong); }
.stats { margin: .3em 0; }
.tools button, #chats button { min-height: 2em; padding: .1em .6em; font-size: .9em; }
.shown-picture { max-width: min(100%, 20em); max-height: 16em; border-radius: 8px; display: block; margin: .3em 0; }
.message textarea, #question { width: 100%; resize: vertical; }
textarea { background: var(--back); border: 1px solid var(--line); border-radius: 8px; padding: .5em; }
#vote { justify-content: center; padding: .5em; }
#status { min-height: 1.5em; margin: .2em 0; font-size: .9em; color: var(--faint); }
#ask { display: flex; flex-direction: column; gap: .4em; }
#pictures { list-style: none; display: flex; flex-wrap: wrap; gap: .5em; margin: 0; padding: 0; }
#pictures li { display: flex; align-items: flex-start; }
#pictures img { height: 5em; max-width: 9em; object-fit: contain; border: 1px solid var(--line); border-radius: 8px; }
#examples button { display: flex; align-items: center; gap: .5em; text-align: left; }
#examples img { height: 2.6em; border-radius: 4px; }
dialog {
  background: var(--back);
  color: var(--text);
  border: 1px solid var(--line);
  border-radius: 12px;
  max-width: 40em;
}
dialog input { width: 100%; background: var(--back); border: 1px solid var(--line); padding: .4em; }
#camera-view { width: 100%; background: #000; }
@media (max-width: 720px) {
  #menu { display: block; }
  #side { display: none; width: auto; border: 0; }
  body.menu-open #side { display: flex; flex: 1; }
  body.menu-open main { display: none; }
  main { padding: 0 .5em .5em; }
  .message.user { margin-left: 0; }
  #panes { flex-direction: column; }
}
)page"},
};

}  // namespace serve
LLAVA_END
