// SPDX-License-Identifier: Apache-2.0
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
