// SPDX-License-Identifier: Apache-2.0
/// The images that a user names: by a file, by an http or https address, or as a data: URL.
#pragma once
#include <llava/base/error.hpp>
#include <llava/image/image.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

/// An image with the bytes of its file, which /save writes.
struct given_image {
  std::string name;  ///< for people
  std::vector<std::byte> file;
  llava::image pixels;
};

/// Returns the bytes at an http or https address; up to five redirects are followed. Errors: no answer, another status
/// than 200, more than 20 MiB; unsupported, a build without Boost.
llava::result<std::vector<std::byte>> try_fetch_image(const std::string& address);

/// Reads an image file of a format that this build reads, fetches one, or decodes a data: URL. A file whose name is not
/// absolute is one in `folder`, if that is not empty.
llava::result<given_image> try_read_given_image(const std::string& place, const std::string& folder = {});

/// data:image/…;base64,… with the bytes of an image file.
std::string data_url_of(const std::vector<std::byte>& file);
