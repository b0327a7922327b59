// SPDX-License-Identifier: Apache-2.0
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
