// SPDX-License-Identifier: Apache-2.0
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
