// SPDX-License-Identifier: Apache-2.0
/// llava inspect: writes the output of a stage as a NumPy array, for comparison with the original.
/// llava tokenize: prints the ids of a text and their pieces.
///
/// Pixels, ids and pieces come from the model's small files; its weights need not be there.
#include <cstdio>

#include <llava/checkpoint/written_json.hpp>
#include <llava/image/plan.hpp>
#include <llava/image/preprocess.hpp>
#include <llava/pipeline/prompt.hpp>
#include <llava/text/utf8.hpp>

#include "command.hpp"
#include "models.hpp"
#include "option_rules.hpp"

namespace {

constexpr std::string_view npy_start("\x93NUMPY\1\0", 8);

/// Writes a .npy file of version 1.0: little-endian, C order.
/// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
template <class T>
void write_npy(const std::string& file, const std::vector<T>& values, const std::vector<std::size_t>& shape) {
  std::string header = std::string("{'descr': '") + (std::is_floating_point_v<T> ? "<f4" : "<i4") +
                       "', 'fortran_order': False, 'shape': (";
  for (std::size_t n : shape) header += std::to_string(n) + ", ";
  header += "), }";
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  std::string start(npy_start);
  start += {static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  const std::string_view data(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  if (const auto written = try_write_output(file, {start, header, data}, npy_start); !written) give_up(written.error());
  std::printf("%s (", file.c_str());
  for (std::size_t i = 0; i < shape.size(); ++i) std::printf("%s%zu", i ? ", " : "", shape[i]);
  std::printf(")\n");
}

struct inspect_options {
  model_options model;
  std::optional<std::string> images;
  std::string prompt, stage, out, separator = ",";
};

/// The description and the tokenizer of a model, which fit each other.
llava::result<llava::described_checkpoint> try_describe(const std::string& path, const std::string& base,
                                                        const llava::gguf_options& gguf) {
  LLAVA_TRY(said, llava::try_describe_checkpoint(path, base, gguf));
  LLAVA_CHECK(llava::try_check_tokens(said.tokenizer, said.description, said.path));
  return std::move(said);
}

/// Appends the input values (n, 3, S, S) of the squares that the vision tower sees of an image.
llava::result<void> try_add_pixels(const llava::model_description& d, const llava::image& img,
                                   std::vector<float>& all) {
  if (!d.has_vision)
    return llava::fail(llava::errc::unsupported, "llava: this model has no vision tower; it answers text only");
  LLAVA_TRY(plan, llava::try_plan_image(d.image, d.vision.features(), img.width(), img.height()));
  LLAVA_TRY(squares, llava::try_cut_squares(img, d.image, plan));
  const llava::byte_table table = llava::normalise_table(d.image);
  for (const llava::image& square : squares) {
    const std::vector<float> values = llava::pixel_values(square, table);
    all.insert(all.end(), values.begin(), values.end());
  }
  return {};
}

void give_up_without_image() {
  give_up(llava::fail(llava::errc::invalid_argument, "llava: this stage needs an image; pass --image"));
}

/// The stages before the model.
void inspect_input(const inspect_options& o, const std::vector<llava::image>& images) {
  if (o.stage == "pixels" && images.empty()) give_up_without_image();
  const llava::described_checkpoint said =
      value_or_give_up(try_describe(o.model.path, o.model.base, {o.model.mmproj, o.model.legacy_tokenizer}));
  if (o.stage == "input_ids") {
    const std::vector<std::int32_t> ids =
        llava::prompt_ids(said.tokenizer, said.description, o.prompt, !images.empty());
    return write_npy(o.out, ids, {1, ids.size()});
  }
  std::vector<float> all;
  for (const llava::image& img : images)
    if (const auto added = try_add_pixels(said.description, img, all); !added) give_up(added.error());
  const auto side = static_cast<std::size_t>(said.description.image.crop);
  // Of any resolution, an image has several squares.
  write_npy(o.out, all, {all.size() / (3 * side * side), 3, side, side});
}

void inspect(const inspect_options& o) {
  if (const auto free = try_check_output(o.out, npy_start); !free) give_up(free.error());
  const std::vector<llava::image> images = value_or_give_up(try_read_images(o.images, o.separator));
  if (o.stage == "pixels" || o.stage == "input_ids") return inspect_input(o, images);
  model_options exact = o.model;
  if (exact.dtype.empty())
    exact.dtype = value_or_give_up(try_exact_dtype(exact.base.empty() ? exact.path : exact.base));
  const llava::chat_model model = value_or_give_up(exact.try_open());
  if (o.stage == "logits") {
    const std::vector<float> logits = value_or_give_up(model.session().try_logits(o.prompt, images));
    const auto vocab = static_cast<std::size_t>(model.vocab());
    return write_npy(o.out, logits, {1, logits.size() / vocab, vocab});
  }
  if (images.empty()) give_up_without_image();
  std::vector<float> all;
  std::size_t first = 0;  // values of the first image
  for (const llava::image& img : images) {
    const std::vector<float> one =
        value_or_give_up(o.stage == "features" ? model.try_features(img) : model.try_image_tokens(img));
    all.insert(all.end(), one.begin(), one.end());
    if (first == 0) first = one.size();
    if (o.stage == "image_tokens" && one.size() != first)
      give_up(llava::fail(llava::errc::mismatch,
                          "llava: the images have different numbers of image tokens; inspect them one at a time"));
  }
  const llava::stage_shapes shapes = model.shapes();
  const auto n = [](int v) { return static_cast<std::size_t>(v); };
  const std::size_t of_square = n(shapes.features) * n(shapes.vision_hidden);
  if (o.stage == "features")
    return write_npy(o.out, all, {all.size() / of_square, n(shapes.features), n(shapes.vision_hidden)});
  write_npy(o.out, all, {images.size(), first / n(shapes.hidden), n(shapes.hidden)});
}

struct tokenize_options {
  checkpoint_options model;
  std::string text;
};

void tokenize(const tokenize_options& o) {
  const llava::described_checkpoint said = value_or_give_up(try_describe(o.model.path, o.model.base, o.model.gguf));
  const llava::tokenizer& words = said.tokenizer;
  for (const std::int32_t id : llava::prompt_ids(words, said.description, o.text, said.description.has_vision)) {
    const std::string piece = id == llava::image_token_index ? std::string(llava::image_marker) : words.piece(id);
    std::printf("%d\t%s\n", id, llava::json_string(llava::valid_utf8(piece)).c_str());
  }
}

}  // namespace

void add_inspect(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("inspect", "Write the output of a stage as a NumPy array");
  const auto o = std::make_shared<inspect_options>();
  o->model.dtype.clear();
  o->model.add_to(command, "MODEL,--model-path");
  command.get_option("--dtype")->description(
      "Format of the weights; auto: as stored; default: f32, or as `llava quantize` has stored them");
  command.add_option("--image,--image-file", o->images, "Image, or several separated by --sep");
  may_be_empty(*command.add_option("--sep", o->separator, "Separator of images"));
  may_be_empty(*command.add_option("--prompt", o->prompt, "The whole text of the prompt, with one <image> per image"));
  command.add_option("--stage", o->stage, "Stage to write; pixels and input_ids need no weights")
      ->required()
      ->check(CLI::IsMember({"pixels", "features", "image_tokens", "input_ids", "logits"}));
  command.add_option("--out", o->out, "The .npy file; a file of another kind is not overwritten")->required();
  command.callback([o] { inspect(*o); });
}

void add_tokenize(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("tokenize", "Print the ids of a text and their pieces in the vocabulary");
  const auto o = std::make_shared<tokenize_options>();
  o->model.add_to(command);
  may_be_empty(
      *command.add_option("TEXT,--text", o->text, "The text; each <image> is the place of an image")->required());
  command.callback([o] { tokenize(*o); });
}
