// SPDX-License-Identifier: Apache-2.0
/// The questions of `llava batch`: a line of JSON each, as in the reference's question files.
#pragma once
#include <llava/base/error.hpp>
#include <llava/checkpoint/json_value.hpp>
#include <llava/text/conversation_styles.hpp>

#include <cstddef>
#include <string>
#include <vector>

#include "given_image.hpp"

/// The parts of a question that its answer's line repeats. They are read without its images.
struct question_head {
  std::string id;      ///< JSON: question_id, or the number of the line from 1
  std::string prompt;  ///< the text, or that of the last message
};

/// A conversation that ends with the question.
struct batch_question {
  std::vector<llava::message> turns;
  std::vector<given_image> images;
};

/// Reads question_id and text or messages. `id` of `to` is set even if there is an error.
llava::result<llava::json_value> try_read_head(const std::string& line, std::size_t number, question_head& to);

/// Reads the question and its images, whose files are in `folder` unless their names are absolute. `start_end`: as for
/// try_place_images (pipeline/prompt.hpp).
llava::result<batch_question> try_read_question(const llava::json_value& line, const std::string& prompt,
                                                bool start_end, const std::string& folder);

/// The line of an answer, with the members of the reference's model_vqa in their order, as json.dumps writes them.
/// answer_id follows from the other members and the line's number: the same run gives the same file.
std::string answer_line(const question_head& q, std::size_t number, const std::string& text, const std::string& model);
/// The line of a question that has no answer.
std::string failure_line(const question_head& q, const llava::error& e, const std::string& model);
