// SPDX-License-Identifier: Apache-2.0
/// Tools that write model folders and projectors:
///   llava convert MODEL --to llava-hf|original|gguf -o FOLDER
///   llava merge-lora MODEL [--model-base BASE] -o FOLDER
///   llava consolidate MODEL -o FOLDER
///   llava extract-projector MODEL -o FILE
///   llava make-delta MODEL --model-base BASE -o FOLDER
///   llava apply-delta DELTA --model-base BASE -o FOLDER
#include <llava/checkpoint/convert.hpp>
#include <llava/checkpoint/delta_folder.hpp>
#include <llava/checkpoint/projector_file.hpp>
#include <llava/pipeline/options.hpp>

#include <memory>

#include "command.hpp"
#include "option_rules.hpp"

namespace {

struct tool_options {
  checkpoint_options model;
  std::string output, type = "auto", to, name;  // to: a layout; empty: as stored
  int threads = 0;

  void add_to(CLI::App& command, const char* written) {
    command.add_option("-o,--output", output, written)->required();
    command.add_option("--dtype", type, "Type of the weights; auto: as stored")
        ->check(CLI::IsMember({"auto", "f32", "f16", "bf16"}));
    command.add_option("--threads", threads, "Threads; 0: one per usable processor")->check(CLI::Range(0, 1024));
  }

  /// Calls work(options) with a progress bar.
  template <class Work>
  void run(Work&& work) const {
    do_long_work([&](llava::progress_callback report) -> llava::result<void> {
      llava::open_options about;
      about.threads = threads;
      const std::shared_ptr<llava::executor> pool = llava::make_executor(about);
      llava::convert_options options;
      if (type == "f32") options.type = llava::dtype::float32;
      if (type == "f16") options.type = llava::dtype::float16;
      if (type == "bf16") options.type = llava::dtype::bfloat16;
      options.model_name = name;
      options.threads = pool.get();
      options.report = report;
      return work(options);
    });
  }
};

/// A whole model, checked before it is written: names and shapes, and not yet the values.
void convert(const tool_options& o) {
  o.run([&](const llava::convert_options& options) -> llava::result<void> {
    LLAVA_TRY(from, o.model.try_open());
    LLAVA_CHECK(try_confirm_files(from));
    const llava::checkpoint_layout layout = o.to.empty()         ? llava::checkpoint_layout::as_stored
                                            : o.to == "llava-hf" ? llava::checkpoint_layout::llava_hf
                                            : o.to == "gguf"     ? llava::checkpoint_layout::gguf
                                                                 : llava::checkpoint_layout::original;
    return llava::try_convert(from, o.output, layout, options);
  });
}

CLI::App& add_tool(CLI::App& app, const char* name, const char* about, const char* written,
                   const std::shared_ptr<tool_options>& o) {
  CLI::App& command = *app.add_subcommand(name, about);
  o->model.add_to(command);
  o->add_to(command, written);
  return command;
}

using delta_work = llava::result<void> (*)(std::string_view, std::string_view, const std::string&,
                                           const llava::convert_options&);
void add_delta_tool(CLI::App& app, const char* name, const char* about, const char* model, delta_work work) {
  const auto o = std::make_shared<tool_options>();
  CLI::App& command = *app.add_subcommand(name, about);
  command.add_option("MODEL,--model-path", o->model.path, model)->required();
  command.add_option("--model-base", o->model.base, "Folder of the base")->required();
  o->add_to(command, "The new folder");
  command.callback([o, work] {
    o->run(
        [&](const llava::convert_options& options) { return work(o->model.path, o->model.base, o->output, options); });
  });
}

}  // namespace

void add_convert(CLI::App& app) {
  const auto converted = std::make_shared<tool_options>();
  CLI::App& convert_command =
      add_tool(app, "convert", "Write a model folder in another layout", "The new folder", converted);
  convert_command
      .add_option(
          "--to", converted->to,
          "llava-hf: transformers' LlavaForConditionalGeneration; original: LLaVA's own program; gguf: llama.cpp")
      ->check(CLI::IsMember({"llava-hf", "original", "gguf"}))
      ->required();
  convert_command.add_option("--model-name", converted->name,
                             "original: the model's name, which decides its conversation; default: the new folder's");
  convert_command.callback([converted] { convert(*converted); });

  const auto merged = std::make_shared<tool_options>();
  add_tool(app, "merge-lora", "Write an adapter and its base as one model folder", "The new folder", merged)
      .callback([merged] { convert(*merged); });
  const auto whole = std::make_shared<tool_options>();
  add_tool(app, "consolidate", "Write a model's shards and .bin files as one safetensors folder", "The new folder",
           whole)
      .callback([whole] { convert(*whole); });

  const auto projector = std::make_shared<tool_options>();
  add_tool(app, "extract-projector", "Write a model's projector as LLaVA's training saves it",
           "The new file, mm_projector.bin", projector)
      .callback([projector] {
        projector->run([&](const llava::convert_options& options) -> llava::result<void> {
          LLAVA_TRY(from, projector->model.try_open());
          return llava::try_extract_projector(from, projector->output, options);
        });
      });
  add_delta_tool(app, "make-delta", "Write a model's difference from its base", "Folder of the model",
                 llava::try_make_delta);
  add_delta_tool(app, "apply-delta", "Write a delta and its base as one model folder", "Folder of the delta",
                 llava::try_apply_delta);
}
