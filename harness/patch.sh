#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The whole feature as one patch, on stdout.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=harness/lib-series.sh
. "$(dirname "$0")/lib-series.sh"

[ $# -eq 0 ] || usage "takes no argument, got '$1'"
need git -- "assembles the series"
assembled
gt diff-tree -p --no-renames --no-ext-diff --no-textconv --abbrev=12 "$BASE" "$TIP" | lean
