// SPDX-License-Identifier: Apache-2.0
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
