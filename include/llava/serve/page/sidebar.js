// SPDX-License-Identifier: Apache-2.0
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
