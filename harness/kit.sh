#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The kit's own tests.
exec bash "$(dirname "$0")/test/kit.sh" "$@"
