// SPDX-License-Identifier: Apache-2.0
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
