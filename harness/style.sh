#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# checkpatch over each commit of the series, get_maintainer over each new
# file, kernel-doc over the new headers, an SPDX line in every file.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"

[ $# -eq 0 ] || usage "takes no argument, got '$1'"
need git perl python3-minimal python3-ply python3-git -- "runs checkpatch.pl"
use_tree
cd "$TREE"
passed=0 failed=0

# Whether MAINTAINERS has a pattern for a new file is asked below, for each
# file; checkpatch would only remind of it.
show scripts/checkpatch.pl --strict --ignore FILE_PATH_CHANGES -g laf-base..laf
for commit in $(git rev-list --reverse laf-base..laf); do
	rc=0
	ignore=FILE_PATH_CHANGES
	# User space has neither READ_ONCE() nor the kernel's attribute macros.
	! git diff-tree -r --no-commit-id --name-only "$commit" | grep -q '^tools/testing/' ||
		ignore+=,VOLATILE,PREFER_DEFINED_ATTRIBUTE_MACRO,MACRO_ARG_REUSE
	out=$(git format-patch --stdout -1 --no-signature "$commit" |
		scripts/checkpatch.pl --strict --terse --show-types --no-summary --color=never \
			--ignore "$ignore" - 2>&1) || rc=$?
	[ $rc -eq 0 ] || [ -n "$out" ] || out="checkpatch.pl ended with $rc"
	silent "checkpatch $(git log -1 --format=%s "$commit")" "$(head -n 30 <<<"$out")"
done

mapfile -t NEW < <(git -c core.quotePath=off diff-tree -r --no-renames --diff-filter=A \
	--name-only laf-base laf)
titles=$(perl -00 -ne 'print "$1\n" if /\A([^\n]+)\n[A-Z]:\t/' "$ROOT/MAINTAINERS" 2>/dev/null || :)
show scripts/get_maintainer.pl --no-git --sections -f "${NEW[@]}"
for f in "${NEW[@]}"; do
	out=
	scripts/get_maintainer.pl --no-git --no-git-fallback --sections -f "$f" 2>/dev/null |
		grep -qxF -- "$titles" || out="no entry of MAINTAINERS has a pattern for it"
	[ -n "$titles" ] || out="the repository has no MAINTAINERS entry"
	silent "get_maintainer $f" "$out"
done

mapfile -t headers < <(printf '%s\n' "${NEW[@]}" | grep '^include/.*\.h$')
show scripts/kernel-doc -none -Werror "${headers[@]}"
for f in "${headers[@]}"; do
	out=$(scripts/kernel-doc -none -Werror "$f" 2>&1) || [ -n "$out" ] || out="kernel-doc failed"
	silent "kernel-doc $f" "$out"
done

# Patches and the cover letter are mails, COPYING is the licence's own text, and what
# rules are expected to print is compared as it is.
cd "$ROOT"
missing=
while read -r f; do
	case $f in
	patches/*.patch | patches/cover.txt | COPYING | MAINTAINERS) continue ;;
	harness/cocci/*.patch | harness/cocci/*.report) continue ;;
	esac
	[ -f "$f" ] || continue
	head -n 5 -- "$f" | grep -q 'SPDX-License-Identifier: ' || missing+="$f"$'\n'
done < <(git ls-files -co --exclude-standard 2>/dev/null || find . -path ./build -prune -o -type f -print)
silent "SPDX lines" "${missing%$'\n'}"
counts $passed $failed 0
