// SPDX-License-Identifier: Apache-2.0
#include <llava/checkpoint/tied_head.hpp>

#include <llava_catch.hpp>

#include <map>
#include <string>

namespace {

struct source {
  std::map<std::string, llava::stored_tensor, std::less<>> tensors;

  source& add(const std::string& name, std::string_view bytes, llava::dtype type = llava::dtype::float16) {
    tensors[name] = {name, type, {}, {2, 1}, std::as_bytes(std::span(bytes.data(), bytes.size())), "file"};
    return *this;
  }
  const llava::stored_tensor* find(std::string_view name) const {
    const auto found = tensors.find(name);
    return found == tensors.end() ? nullptr : &found->second;
  }
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const auto& [name, t] : tensors) visit(t);
  }
};

bool stays_tied(const source& files, llava::naming names) {
  llava::model_description d;
  d.names = names;
  d.text.tied = true;
  llava::settle_tied_head(files, d);
  return d.text.tied;
}

}  // namespace

TEST_CASE("a head that the files hold goes before a tied one, but not in original folders") {
  using llava::naming;
  const auto table = [] { return source().add("model.embed_tokens.weight", "abcd"); };
  CHECK(stays_tied(table(), naming::text_only));
  CHECK(stays_tied(table().add("lm_head.weight", "abcd"), naming::text_only));
  CHECK_FALSE(stays_tied(table().add("lm_head.weight", "abce"), naming::text_only));
  CHECK_FALSE(stays_tied(table().add("lm_head.weight", "abcd", llava::dtype::bfloat16), naming::text_only));
  CHECK(stays_tied(table().add("lm_head.weight", "abce"), naming::original));
  for (const char* prefix : {"language_model.model.", "model.language_model."})
    for (const char* head : {"language_model.lm_head.weight", "lm_head.weight"})
      CHECK_FALSE(stays_tied(source()
                                 .add(std::string(prefix) + "norm.weight", "ab")
                                 .add(std::string(prefix) + "embed_tokens.weight", "abcd")
                                 .add(head, "abce"),
                             naming::llava_hf));
}
