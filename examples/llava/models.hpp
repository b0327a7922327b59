// SPDX-License-Identifier: Apache-2.0
/// The pipelines of the command: llava::any on each backend with each weight format, one translation unit each.
/// examples/CMakeLists.txt has the list.
#pragma once
#include <llava/chat_model.hpp>
#include <llava/pipeline/options.hpp>

#include <string>
#include <string_view>
#include <vector>

llava::result<llava::chat_model> try_open_model(std::string_view folder, std::string_view backend,
                                                std::string_view dtype, const llava::open_options& options);

/// Returns the names of the weight formats.
std::vector<std::string> compiled_dtypes();

/// Returns the name of the format in which a model's weights lose least: the block format of its weights, or the type
/// of most of their bytes.
llava::result<std::string> try_stored_dtype(std::string_view name);

/// Returns the name of the format that changes the fewest results: f32, or the stored one if `llava quantize` has
/// written the weights, which open in that one alone.
llava::result<std::string> try_exact_dtype(std::string_view name);

/// Checks, before the weights are read, that a packed file can keep weights of this format: it keeps quantised weights
/// alone, and the file that is there, if any, holds this format.
llava::result<void> try_check_packed_file(const std::string& file, std::string_view dtype);
