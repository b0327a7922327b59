// SPDX-License-Identifier: Apache-2.0
/// RapidJSON's reader and writer, where a program has made a macro of a name that RapidJSON calls an event: X11's
/// `Bool`. Nothing else includes RapidJSON, and nothing else says that name.
#pragma once
#include <llava/base/macros.hpp>

#pragma push_macro("Bool")
#undef Bool

#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

LLAVA_BEGIN

/// A handler of the reader's events whose event for true and false is `truth(bool)`.
template <class Derived>
struct json_events : rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Derived> {
  bool Bool(bool b) { return static_cast<Derived&>(*this).truth(b); }
};

LLAVA_END

#pragma pop_macro("Bool")
