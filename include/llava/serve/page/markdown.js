// SPDX-License-Identifier: Apache-2.0
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
