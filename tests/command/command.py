# SPDX-License-Identifier: Apache-2.0
"""Tests the `llava` command as a user runs it: options, output, errors. Run in the repository's root:

    command.py LLAVA [ARGUMENTS OF unittest]   such as -k lora
"""
import os
import sys
import unittest

if len(sys.argv) > 1:
    os.environ["LLAVA"] = sys.argv.pop(1)
import test_ask  # noqa: E402  (these read LLAVA)
import test_eval  # noqa: E402
import test_folders  # noqa: E402
import test_info  # noqa: E402
import test_inspect  # noqa: E402
import test_output  # noqa: E402


def load_tests(loader, _standard, _pattern):
    modules = (test_ask, test_folders, test_inspect, test_info, test_eval, test_output)
    return unittest.TestSuite(loader.loadTestsFromModule(m) for m in modules)


if __name__ == "__main__":
    unittest.main()
