// SPDX-License-Identifier: Apache-2.0
/// The syntax tree of a chat template. Nodes are stored in one vector and refer to each other by index. A sequence of
/// operators of one precedence, of postfix steps or of branches is one node with many children, so the tree is deep
/// only where the template nests.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include <llava/text/chat_template_value.hpp>

LLAVA_BEGIN

/// The kind of a node. Its children are in parentheses; `…`: any number of them, `?`: may be `nothing`.
enum class template_syntax : std::uint8_t {
  nothing,
  // statements
  body,        // (statement…)
  data,        // the text between tags
  output,      // (value)
  branch,      // (condition, body, condition, body, …, body?)
  loop,        // (target, list, condition?, body, body?)
  assign,      // (target, value)
  capture,     // (target, body): {% set x %}…{% endset %}
  macro,       // (parameter…, body)
  generation,  // (body)
  leave,       // break
  again,       // continue
  // targets
  names,      // (name…)
  name_path,  // (value): text is the attribute of a namespace
  parameter,  // (value?)
  // values
  literal,  // the value itself
  name,
  list,       // (value…)
  pairs,      // (key, value, …)
  any,        // (value…): or
  all,        // (value…): and
  negate,     // (value): not
  compare,    // (value, operand…)
  sum,        // (value, operand…): + and −
  joined,     // (value…): ~
  product,    // (value, operand…)
  operand,    // (value): text is the operator
  minus,      // (value)
  choose,     // (condition, value, value?): a if c else b
  path,       // (value, step…)
  attribute,  // step: .text
  item,       // step (value)
  slice,      // step (value?, value?, value?)
  call,       // step (value or argument…)
  filter,     // step (value or argument…)
  test,       // step (value or argument…); number 1: `is not`
  argument,   // (value): text is its name
};

struct template_node {
  template_syntax kind = template_syntax::nothing;
  std::uint32_t line = 0, child = 0, next = 0;  ///< child, next: indices of nodes; 0: none
  std::string_view text;
  template_value value;  ///< of a literal
};

/// A parsed template.
struct template_tree {
  std::vector<template_node> nodes;
  template_memory memory;  ///< owns its strings
  std::uint32_t root = 0;
};

LLAVA_END
