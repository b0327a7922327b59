// SPDX-License-Identifier: Apache-2.0
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
