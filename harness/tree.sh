#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Assembles build/tree: stock base, then a commit for each entry of the series.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=harness/lib-series.sh
. "$(dirname "$0")/lib-series.sh"

use=
[ "${1:-}" != --use ] || {
	use=1
	shift
}
[ $# -eq 0 ] || usage "takes no argument, got '$1'"

need git -- "keeps the assembled tree"
base_archive

# Nothing to do is the usual case, and need not wait for who builds.
lock tree shared
scratch
if find_base && is_current "$(snapshot)" &&
   ! gt rev-parse -q --verify refs/laf/moving >/dev/null && [ -z "$(unrefreshed)" ]; then
	echo "$TREE"
	exit 0
fi
unlock series

lock tree
scratch
recover
if [ -d "$TREE/.git" ]; then
	work=$(unrefreshed)
	if [ -n "$work" ] && [ -n "$use" ]; then
		[ "$(snapshot)" = "$(gt rev-parse -q --verify refs/laf/inputs || :)" ] ||
			die "build/tree has $work, and the repository changed too; commit in build/tree and run 'laf refresh'"
		say "builds build/tree as it is; it has $work"
		echo "$TREE"
		exit 0
	fi
	[ -z "$work" ] ||
		die "build/tree has $work; commit there and run 'laf refresh' to keep it, or $(drop_hint)"
fi
make_base
snap=$(snapshot)
if ! is_current "$snap"; then
	assemble "$snap"
	move_to "$snap"
	say "build/tree is $(gt log -1 --format=%s laf-base) and $(gt rev-list --count laf-base..laf) commits"
fi
echo "$TREE"
