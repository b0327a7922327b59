// SPDX-License-Identifier: Apache-2.0
/// The types of CLI11 that headers name. CLI11 compiles its classes in each file that includes it, which takes 4
/// seconds, so only files that define options do: they include option_rules.hpp.
#pragma once

namespace CLI {
class App;
class Validator;
}  // namespace CLI
