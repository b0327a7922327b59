// SPDX-License-Identifier: Apache-2.0
/// model_stages<M, B, P>: the vision tower, projector and language model of a checkpoint, before their weights are
/// filled.
#pragma once
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/image/preprocess.hpp>
#include <llava/nn/weight.hpp>
#include <llava/pipeline/numbers.hpp>

LLAVA_BEGIN

namespace detail {
inline error unknown_choice(std::string_view what, std::string_view name, std::string_view folder,
                            std::string_view known) {
  return fail(errc::unsupported, text_of("llava: ", folder, "/config.json: the ", what, " '", name,
                                         "' is not supported by this model type; known: ", known));
}
}  // namespace detail

/// The stages of a model. A text-only model has no tower and no projector. A model of any resolution may have a
/// newline, which ends each row of the tiles' map.
template <class M, class B, class P>
struct model_stages {
  using numbers = detail::numbers<M>;
  using tower_type =
      typename M::tower::template stage<B, typename numbers::vision, typename P::vision, typename M::vision_activation>;
  using projector_type = typename M::projector::template stage<B, typename P::projector>;
  using decoder_type = typename M::decoder::template stage<B, typename numbers::text, P, typename M::text_activation>;

  std::unique_ptr<tower_type> tower;  // pointers, so that moving the stages costs no code
  std::unique_ptr<projector_type> projector;
  std::unique_ptr<decoder_type> text;
  std::optional<parameter<B>> newline;  ///< (D)
  parameter<B> pixel_table;             ///< (3, 256): the normalised value of each byte, by channel

  /// Makes the stages. config.json decides the choices that M leaves open. A decoder and activations that M fixes must
  /// agree with it. A projector that M fixes may differ from it: only the names and shapes of its weights are checked
  /// against the files. Errors: the checkpoint does not match M.
  static result<model_stages> try_make(const checkpoint& from) {
    const model_description& d = from.description;
    typename M::decoder decoder{};
    LLAVA_CHECK(try_choose(decoder, "decoder", d.decoder, from.path));
    LLAVA_CHECK(try_confirm<M>(d, from.path));
    model_stages s;
    typename M::text_activation text_activation{};
    LLAVA_CHECK(try_choose(text_activation, "text activation", d.text_activation, from.path));
    const int rows = d.text.vocab, tokens = static_cast<int>(from.tokenizer.size());
    make_from(s.text, decoder, detail::numbers_from<typename numbers::text>(d.text), text_activation, rows,
              d.tokens_only ? (std::min)(rows, tokens) : rows);
    if (!d.has_vision) return result<model_stages>(std::move(s));
    if constexpr (!requires { M::tower::takes_scales; })
      if (d.vision.scales.count > 0)
        return fail(errc::unsupported, text_of("llava: ", from.path,
                                               "/config.json: \"s2\" is true, but this model type's "
                                               "tower takes one scale; name s2_tower as its tower"));
    typename M::vision_activation vision_activation{};
    LLAVA_CHECK(try_choose(vision_activation, "vision activation", d.vision_activation, from.path));
    make(s.tower, detail::numbers_from<typename numbers::vision>(d.vision), vision_activation);
    typename M::projector projector{};
    if constexpr (requires { projector.choose(std::string_view{}); })
      LLAVA_CHECK(try_choose(projector, "projector", d.projector_type, from.path));
    make_from(s.projector, projector, d.projector);
    if (d.image.tiling.has_newline()) s.newline.emplace();
    return result<model_stages>(std::move(s));
  }

  /// Fills the tables that are not weights. Must be called once, after the weights are filled.
  result<void> try_prepare(const model_description& d, const memory& to) {
    LLAVA_CHECK(text->try_prepare(to));
    if (!tower) return {};
    const auto table = normalise_table(d.image);
    return pixel_table.try_fill(stored_rows({dtype::float32, reinterpret_cast<const std::byte*>(table.data())}, 256),
                                tensor_dims{3, 256}, "pixel table", to);
  }

  /// Visits every weight: visit(canonical name, slot, dims).
  template <class Visit>
  void each(Visit&& visit) {
    if (tower) tower->each(visit);
    if (projector) projector->each(visit);
    if (newline) visit(std::string("image_newline"), *newline, tensor_dims{text->config().hidden});
    text->each(visit);
  }

 private:
  /// Makes a stage. If it can take the choice that it comes from, the choice is its last argument.
  template <class Stage, class Choice, class... Arguments>
  static void make_from(std::unique_ptr<Stage>& stage, const Choice& choice, const Arguments&... with) {
    if constexpr (std::is_constructible_v<Stage, const Arguments&..., const Choice&>)
      make(stage, with..., choice);
    else
      make(stage, with...);
  }
  template <class Stage, class... Arguments>
  static void make(std::unique_ptr<Stage>& stage, const Arguments&... with) {
    stage = std::make_unique<Stage>(with...);
  }

  template <class Choice>
  static result<void> try_choose(Choice& choice, std::string_view what, std::string_view name,
                                 const std::string& folder) {
    if constexpr (requires { choice.choose(name); }) {
      if (choice.choose(name)) return {};
      return detail::unknown_choice(what, name, folder, Choice::names());
    } else {
      if (Choice::name == name) return {};
      return detail::unknown_choice(what, name, folder, Choice::name);
    }
  }
};

LLAVA_END
