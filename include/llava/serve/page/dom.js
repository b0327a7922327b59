// SPDX-License-Identifier: Apache-2.0
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
