// SPDX-License-Identifier: Apache-2.0
/// Cases of tests/data/generate/sampling.json, which tests/oracle/sampling.py makes with transformers.
#pragma once
#include <llava/checkpoint/json.hpp>

#include "backend/backends.hpp"

template <class T>
std::vector<T> numbers(const llava::json_value& list) {
  std::vector<T> out;
  for (const llava::json_value& e : list.items()) out.push_back(static_cast<T>(*e.number()));
  return out;
}
inline std::vector<llava::json_value> recorded(const char* name) {
  auto file = llava::json_document::try_read(LLAVA_TEST_DATA "/generate/sampling.json");
  if (!file) FAIL(file.error().what());
  return file->value().find(name)->items();
}
