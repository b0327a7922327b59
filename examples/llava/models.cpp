// SPDX-License-Identifier: Apache-2.0
#include "models.hpp"

#include <pipelines.hpp>

#include <algorithm>
#include <llava/checkpoint/adapter_config.hpp>
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/checkpoint/hub_cache.hpp>
#include <llava/checkpoint/packed_weights.hpp>
#include <llava/quant/ggml_formats.hpp>
#include <llava/text/shown.hpp>
#include <map>
#include <memory>

llava::result<llava::chat_model> try_open_model(std::string_view folder, std::string_view backend,
                                                std::string_view dtype, const llava::open_options& options) {
  for (const compiled_pipeline& p : compiled_pipelines)
    if (p.backend == backend && p.format == dtype) return p.try_open(folder, options);
  return llava::fail(llava::errc::unsupported, llava::text_of("llava: this command was built without backend ", backend,
                                                              " with weights as ", dtype));
}

std::vector<std::string> compiled_dtypes() {
  std::vector<std::string> all;
  for (const compiled_pipeline& p : compiled_pipelines)
    if (std::find(all.begin(), all.end(), p.format) == all.end()) all.emplace_back(p.format);
  return all;
}

namespace {
/// Opens the tensors of a model, or of the base that an adapter names.
llava::result<std::unique_ptr<const llava::tensor_source>> try_open_stored(const std::string& path) {
  auto files = llava::try_open_tensors(path);
  if (files) return files;
  const auto adapter = llava::try_read_adapter_config(path);
  if (!adapter || adapter->base.empty()) return files;
  LLAVA_TRY(base, llava::try_resolve_model_folder(adapter->base));
  return llava::try_open_tensors(base);
}
}  // namespace

llava::result<std::string> try_stored_dtype(std::string_view name) {
  LLAVA_TRY(path, llava::try_resolve_model_folder(name));
  LLAVA_TRY(files, try_open_stored(path));
  // A quantised model has dense tensors too; its quantised tensors decide.
  std::map<std::string, std::size_t> dense, blocks;
  files->for_each([&](const llava::stored_tensor& t) {
    if (!t.format.empty())
      blocks[t.format] += t.bytes.size();
    else if (!t.stored_type.empty())
      blocks[std::string(llava::ggml::name)] += t.stored_bytes;
    else if (t.rows && !t.rows->coded_as().empty())
      ++blocks[std::string(t.rows->coded_as())];
    else if (is_floating(t.type))
      dense[std::string(name_of(t.type))] += t.bytes.size() + t.stored_bytes;
  });
  const auto& sizes = blocks.empty() ? dense : blocks;
  const auto most =
      std::max_element(sizes.begin(), sizes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == sizes.end() ? "f16" : most->first;
}

llava::result<std::string> try_exact_dtype(std::string_view name) {
  LLAVA_TRY(path, llava::try_resolve_model_folder(name));
  LLAVA_TRY(files, try_open_stored(path));
  bool is_coded = false;
  files->for_each([&](const llava::stored_tensor& t) { is_coded = is_coded || !t.format.empty(); });
  return is_coded ? try_stored_dtype(path) : llava::result<std::string>("f32");
}

llava::result<void> try_check_packed_file(const std::string& file, std::string_view dtype) {
  if (dtype == "f32" || dtype == "f16" || dtype == "bf16")
    return llava::fail(llava::errc::invalid_argument,
                       llava::text_of("llava: the packed file ", file, " would hold nothing: the weights are ", dtype,
                                      ", and only quantised ones are packed; choose a --dtype such as q4_0, or leave "
                                      "--packed-file out"));
  if (dtype == llava::ggml::name) return {};  // its tensors have formats of their own
  LLAVA_TRY(found, llava::try_packed_format(file));
  if (found.empty() || found == (dtype == "q8_0_a16" ? llava::q8_0::name : dtype)) return {};
  const std::vector<std::string> known = compiled_dtypes();
  const bool is_known = std::find(known.begin(), known.end(), found) != known.end();
  return llava::fail(llava::errc::mismatch,
                     llava::text_of("llava: the packed file ", file, " holds weights as ", llava::detail::shown(found),
                                    ", expected ", dtype, "; choose --dtype ", is_known ? found : llava::ggml::name,
                                    ", give another --packed-file, or remove it"));
}
