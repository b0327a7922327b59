// SPDX-License-Identifier: Apache-2.0
/// `llava verify MODEL`: reads all of a model's files and says what is wrong with them.
#include <llava/backend/scalar.hpp>
#include <llava/models/any.hpp>
#include <llava/pipeline/verify.hpp>

#include <cstdio>
#include <memory>

#include "command.hpp"
#include "option_rules.hpp"

namespace {

struct verify_options {
  checkpoint_options model;
  int threads = 0;
};

void verify(const verify_options& o) {
  llava::verification found;
  do_long_work([&](llava::progress_callback report) -> llava::result<void> {
    LLAVA_TRY(from, o.model.try_open());
    llava::open_options options;
    options.threads = o.threads;
    options.report = report;
    LLAVA_TRY(v, (llava::try_verify<llava::any, llava::scalar>(from, options)));
    found = std::move(v);
    return {};
  });
  for (const std::string& name : found.unexpected) std::printf("unexpected: %s\n", name.c_str());
  for (const std::string& mistake : found.mistakes) std::printf("wrong: %s\n", mistake.c_str());
  std::printf("%llu tensors, %llu values read; %zu mistakes\n", static_cast<unsigned long long>(found.tensors),
              static_cast<unsigned long long>(found.values), found.mistakes.size());
  if (!found.mistakes.empty()) throw CLI::RuntimeError(1);
}

}  // namespace

llava::result<void> try_confirm_files(const llava::checkpoint& from) {
  return llava::try_confirm_tensors<llava::any, llava::scalar>(from);
}

void add_verify(CLI::App& app) {
  const auto o = std::make_shared<verify_options>();
  CLI::App& command = *app.add_subcommand("verify", "Check a model's files: names, shapes, NaN, tokenizer");
  o->model.add_to(command);
  command.add_option("--threads", o->threads, "Threads; 0: one per usable processor")->check(CLI::Range(0, 1024));
  command.callback([o] { verify(*o); });
}
