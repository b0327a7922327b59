// SPDX-License-Identifier: Apache-2.0
/// `llava quantize MODEL --to FORMAT -o DIR`: a model folder with smaller weights.
#include <llava.hpp>
#include <llava/pipeline/quantise.hpp>

#include <memory>

#include "command.hpp"

namespace {

struct quantize_options {
  std::string path, format, to;
  int threads = 0;
};

llava::result<void> try_quantise_as(const quantize_options& o, const llava::open_options& options) {
  using namespace llava;
  const auto as = [&]<class F>(F) { return try_quantise<any, scalar, F>(o.path, o.to, options); };
  if (o.format == "q16_0") return as(q16_0{});
  if (o.format == "q8_0") return as(q8_0{});
  if (o.format == "q4_0") return as(q4_0{});
  if (o.format == "q4_i8") return as(q4_i8{});
  if (o.format == "bf16") return as(bf16{});
  return as(f16{});
}

}  // namespace

void add_quantize(CLI::App& app) {
  auto o = std::make_shared<quantize_options>();
  CLI::App& command = *app.add_subcommand("quantize", "Write a model folder whose weights take less room");
  command.add_option("MODEL,--model-path", o->path, "Folder of the model, or its name in the Hugging Face cache")
      ->required();
  command.add_option("--to", o->format, "q8_0, q4_0: as GGUF has them; q4_i8, q16_0: ours, faster; f16, bf16")
      ->check(CLI::IsMember({"q16_0", "q8_0", "q4_0", "q4_i8", "f16", "bf16"}))
      ->required();
  command.add_option("-o,--output", o->to, "The new folder")->required();
  command.add_option("--threads", o->threads, "Threads; 0: all processors")->check(CLI::Range(0, 1024));
  command.callback([o] {
    progress_bar bar;
    llava::open_options options;
    options.threads = o->threads;
    options.report = [&](const llava::progress& p) {
      bar.show(p);
      return true;
    };
    if (const auto done = try_quantise_as(*o, options); !done) give_up(done.error());
  });
}
