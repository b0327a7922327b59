// SPDX-License-Identifier: Apache-2.0
/// `llava quantize MODEL --to FORMAT -o DIR`: writes a model folder with smaller weights.
#include <llava.hpp>
#include <llava/pipeline/quantise.hpp>

#include <formats.hpp>
#include <map>
#include <memory>

#include "command.hpp"
#include "option_rules.hpp"

namespace {

struct quantize_options {
  std::string path, base, format, to;
  int threads = 0;
};

/// The formats that a folder can hold: no tensor or mixed formats, and none that differ from another one only in
/// their activations.
using quantiser = llava::result<void> (*)(llava::path_view, const std::string&, const llava::open_options&);
std::map<std::string, quantiser> quantisers() {
  std::map<std::string, quantiser> all;
  each_format([&]<class F>(std::string_view name) {
    if constexpr (!std::is_same_v<F, llava::f32> && !llava::tensor_format<F> && !llava::mixed_format<F>)
      if (llava::format<F>::name == name) all.emplace(name, llava::try_quantise<llava::any, llava::scalar, F>);
  });
  return all;
}

void quantize(const quantize_options& o) {
  do_long_work([&](llava::progress_callback report) {
    llava::open_options options;
    options.threads = o.threads;
    options.model_base = o.base;
    options.report = report;
    return quantisers().at(o.format)(o.path, o.to, options);
  });
}

}  // namespace

void add_quantize(CLI::App& app) {
  auto o = std::make_shared<quantize_options>();
  CLI::App& command = *app.add_subcommand("quantize", "Write a model folder with smaller weights");
  command.add_option("MODEL,--model-path", o->path, "Folder of the model, or its name in the Hugging Face cache")
      ->required();
  command.add_option("--model-base", o->base, "The model under an adapter, a projector alone or a delta");
  command
      .add_option("--to", o->format,
                  "q8_0, q4_0: GGUF's formats; q4_i8, q16_0: our formats, faster; int8: LLM.int8; f16, bf16")
      ->check(CLI::IsMember(quantisers()))
      ->required();
  command.add_option("-o,--output", o->to, "The new folder")->required();
  command.add_option("--threads", o->threads, "Threads; 0: one per usable processor")->check(CLI::Range(0, 1024));
  command.callback([o] { quantize(*o); });
}
