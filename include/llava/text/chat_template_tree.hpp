// SPDX-License-Identifier: Apache-2.0
/// The tree of a chat template. Nodes lie in one vector and name each other by number. A row of operators of one
/// rank, of steps behind a value, or of branches is one node with many children, so that the tree is deep only where
/// the template nests.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include <llava/text/chat_template_value.hpp>

LLAVA_BEGIN

/// What a node is; its children are in brackets, `…` for any number, `?` for a child that may be `nothing`.
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
  std::uint32_t line = 0, child = 0, next = 0;  ///< child, next: numbers of nodes; 0: none
  std::string_view text;
  template_value value;  ///< of a literal
};

/// What a template was parsed to.
struct template_tree {
  std::vector<template_node> nodes;
  template_memory memory;  ///< of its texts
  std::uint32_t root = 0;
};

LLAVA_END
