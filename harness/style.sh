#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# checkpatch over each commit of the series, get_maintainer over each new
# file, kernel-doc over what is new or changed, Sphinx over the new pages, an SPDX line
# in every file.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"

[ $# -eq 0 ] || usage "takes no argument, got '$1'"
need git perl python3-minimal python3-ply python3-git -- "runs checkpatch.pl"
need python3-sphinx python3-sphinx-rtd-theme -- "makes the documentation's pages"
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

# docs_of FILE: what kernel-doc says of it, without places that move
docs_of()
{
	{ scripts/kernel-doc -none "$1" 2>&1 || echo "kernel-doc failed"; } |
		sed -E "s,^[^ ]+:[0-9]+: ,," | sort
}

# As make W=1 asks it of each file that it compiles; of changed ones nothing that
# stock does not have.
mapfile -t files < <(printf '%s\n' "${NEW[@]}" | grep '^include/.*\.h$'; touched_sources x86)
was=$BUILD/docs.c
show scripts/kernel-doc -none "${files[@]}"
for f in "${files[@]}"; do
	git show "laf-base:$f" >"$was" 2>/dev/null || : >"$was"
	silent "kernel-doc $f" "$(comm -23 <(docs_of "$f") <(docs_of "$was"))"
done
rm -f "$was"

# The new pages as 'make htmldocs' makes them, below the kernel's own indexes, but
# without all else: stock pages are only there for who refers to them, and what
# they lack does not count. The ABI files are a page, too.
docs=$BUILD/docs
lock docs
rm -rf "$docs"
mapfile -t pages < <(printf '%s\n' "${NEW[@]}" | sed -n 's,^Documentation/\(.*\.rst\)$,\1,p')
mapfile -t labels < <(cd Documentation &&
	perl -0777 -ne 'print ".. _$1:\n" while /:ref:\x60(?:[^<\x60]*<)?([\w-]+)>?\x60/g' "${pages[@]}")
mapfile -t stock < <(git diff --name-only --diff-filter=M laf-base laf -- 'Documentation/*/index.rst' |
	cut -d/ -f2-
	printf '%s\n' "${labels[@]}" | git grep -lFf - laf-base -- 'Documentation/*.rst' | cut -d/ -f2-)
mkdir -p "$docs/src" "$docs/abi"
(cd Documentation && cp --parents "${pages[@]}" "${stock[@]}" "$docs/src")
cp "$ROOT/harness/docs/mistakes.rst" "$docs/src"
mapfile -t abi < <(printf '%s\n' "${NEW[@]}" | grep '^Documentation/ABI/')
cp "${abi[@]}" "$docs/abi"
printf '%s\n' Pages ===== '' '.. toctree::' '' "${stock[@]/#/   }" '' \
	".. kernel-abi:: $docs/abi" '   :rst:' >"$docs/src/index.rst"
rc=0
run env srctree="$TREE" BUILDDIR="$docs" PYTHONDONTWRITEBYTECODE=1 sphinx-build -q -b html -w "$docs/warnings" \
	-c Documentation -d "$docs/doctrees" -D version=6.1 -D release=6.1 -D kerneldoc_srctree="$TREE" \
	-D kerneldoc_bin="$TREE/scripts/kernel-doc" "$docs/src" "$docs/html" >"$LOG/docs.log" 2>&1 || rc=$?
silent "sphinx-build" "$([ $rc -eq 0 ] || tail -n 10 "$LOG/docs.log")"
# said WANT FILE...: the messages about these pages, or with WANT=0, about all others,
# for what a new page includes from a source is said of that source
said()
{
	sed -e "s,$docs/src/,,g" -e "s,$TREE/,,g" "$docs/warnings" | awk -v want="$1" -v files="${*:2}" '
		BEGIN { split(files, list, " "); for (i in list) is[list[i]] = 1 }
		/^[^ ]+: (WARNING|ERROR|SEVERE): |^WARNING: / { file = $1; sub(/:.*/, "", file)
			mine = (file in is) == want && !/dot\(1\) not found/ }
		mine'
}
silent "htmldocs, ${#pages[@]} pages" "$(said 0 mistakes.rst "${stock[@]}")"
for what in 'underline too short' 'undefined label' 'unknown document' 'without a blank line' \
	'Unknown directive' "isn't included in any toctree"; do
	result "$(said 1 mistakes.rst | grep -c "$what" || :)" "planted: $what"
done
# Sphinx leaves names of files that are not there as they are.
silent "documentation-file-ref-check" "$(scripts/documentation-file-ref-check 2>&1 |
	awk 'NR == FNR { new[$0 ":"]; next } $1 in new' <(printf '%s\n' "${NEW[@]}") - || :)"

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
silent "published figures" "$(python3 harness/bench/report.py published 2>&1 | grep -v '^ok' || :)"
counts $passed $failed 0
