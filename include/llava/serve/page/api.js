// SPDX-License-Identifier: Apache-2.0
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
