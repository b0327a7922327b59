// SPDX-License-Identifier: Apache-2.0
/// try_extract_projector: writes the projector of a checkpoint of any layout to a file of its own, as the first stage
/// of LLaVA's training saves it (mm_projector.bin): a torch file with the original layout's names.
#pragma once
#include <string>
#include <string_view>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/conversion.hpp>
#include <llava/checkpoint/torch_file_writer.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

/// Writes the projector to the new file `file`. `options`: type, threads and report are used. Errors: a model without
/// weights of a projector, a file that exists, a full disk, cancelled.
inline result<void> try_extract_projector(const checkpoint& from, const std::string& file,
                                          const convert_options& options = {}) {
  return guarded([&]() -> result<void> {
    const bool is_mpt = from.description.decoder == "mpt";
    const tensor_names names = tensor_names::to_write(is_mpt ? tensor_spelling::mpt : tensor_spelling::original);
    detail::conversion_plan plan(options.type);
    result<void> added;
    from.tensors.for_each([&](const std::string& name, const stored_tensor& t) {
      if (!added || name.rfind("projector.", 0) != 0) return;
      const dtype type = detail::is_of_blocks(t) ? dtype::float16 : t.type;
      added = is_float(t) ? plan.try_add(t, names.file_name(name), type)
                          : fail(errc::unsupported, text_of("llava: ", t.file, ": ", detail::shown(t.name),
                                                            " is not of floats; extract it from an unquantised model"));
    });
    LLAVA_CHECK(std::move(added));
    if (plan.tensors().empty())
      return fail(errc::unsupported, text_of("llava: ", from.path, " has no weights of a projector"));
    serial_executor one;
    const auto report = [&](const progress& p) { return !options.report || options.report(p); };
    return try_write_torch_file(file, plan.tensors(), options.threads ? *options.threads : one,
                                {"extracting the projector of", from.path, report, [] {}});
  });
}

LLAVA_END
