// SPDX-License-Identifier: Apache-2.0
/// Includes RapidJSON's reader and writer, even where a macro has the name of a RapidJSON event: X11's `Bool`. No other
/// file includes RapidJSON or uses that name.
#pragma once
#include <llava/base/macros.hpp>

#pragma push_macro("Bool")
#undef Bool

#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

LLAVA_BEGIN

/// A handler of the reader's events that receives true and false as `boolean(bool)`.
template <class Derived>
struct json_events : rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Derived> {
  bool Bool(bool b) { return static_cast<Derived&>(*this).boolean(b); }
};

LLAVA_END

#pragma pop_macro("Bool")
