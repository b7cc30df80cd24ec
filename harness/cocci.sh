#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The rules in scripts/coccinelle/mm: what each finds in its own input, in the
# assembled tree, and in one where somebody goes round the functions for runs.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"

need coccinelle git perl -- "runs the rules"
CASES=$ROOT/harness/cocci
RULES=scripts/coccinelle/mm
PLACES=(mm fs/proc kernel)
OUT=$BUILD/cocci
PLACE='^[^ :]+\.[ch]:[0-9]+'

# rule MODE NAME FILE...: a rule as make coccicheck runs it
rule()
{
	local mode=$1 rule=$TREE/$RULES/$2.cocci options=(--very-quiet)

	shift 2
	[ "$mode" = patch ] || [ "$mode" = context ] || options+=(--no-show-diff)
	# shellcheck disable=SC2046 # words
	spatch -D "$mode" "${options[@]}" $(sed -n 's,^// Options:,,p' "$rule") \
		--cocci-file "$rule" "$@" 2>>"$LOG/cocci.log" </dev/null
}

# files FILE...: reports of all rules about files of the tree
files()
{
	local f name

	for f; do
		[ -f "$TREE/$f" ] || die "build/tree has no file $f"
	done
	for f; do
		show make -C "$TREE" coccicheck MODE=report COCCI="$RULES/RULE.cocci" M="$f"
		for name in "${NAMES[@]}"; do
			cd "$TREE"
			rule report "$name" "$f" | grep -E "$PLACE" || :
		done
	done
}

# differs WANTED SEEN: what differs, if anything
differs()
{
	[ -f "$1" ] || {
		echo "there is no $(basename "$1")"
		return
	}
	diff -u --label wanted --label seen "$1" "$2" || :
}

# lines FILE: the places of a report, or of org mode, by line number
lines()
{
	sed -nE -e 's/^[^ :]+:([0-9]+):.*/\1/p' -e 's/.*::linb=([0-9]+)::.*/\1/p' "$1" | sort -n -u
}

# marked FILE: line numbers that context mode marks
marked()
{
	awk '/^@@/ { split($2, at, /[-,]/); line = at[2] - 1; next }
		/^(---|\+\+\+)/ { next }
		/^[ -]/ { line++ }
		/^-/ { print line }' "$1"
}

# case_of NAME: a rule over its own input, in all modes
case_of()
{
	local name=$1 dir=$OUT/$1 text mode

	mkdir -p "$dir"
	cd "$CASES" || return 1
	for mode in report org context; do
		rule $mode "$name" "$name.c" >"$dir/$mode" || :
	done
	grep -E "$PLACE" "$dir/report" | sort -V >"$dir/sorted" || :
	text=$(differs "$name.report" "$dir/sorted")
	silent "$name: report" "$text"

	text=$(diff <(lines "$dir/report") <(lines "$dir/org")) || :
	[ -s "$dir/org" ] || text="nothing"
	silent "$name: org mode sees the same places" "$text"
	text=$(comm -23 <(lines "$dir/report" | sort) <(marked "$dir/context" | sort -u))
	silent "$name: context mode marks them" "${text:+not line ${text//$'\n'/, }}"

	mkdir -p "$OUT/compile"
	cp "$name.c" "$OUT/compile/${name}_before.c"
	OBJECTS+=("${name}_before.o")
	grep -q '^virtual patch' "$TREE/$RULES/$name.cocci" || return 0
	rule patch "$name" "$name.c" | sed -E 's,^(---|\+\+\+) .*,\1 '"$name.c," >"$dir/patch" || :
	text=$(differs "$name.patch" "$dir/patch")
	silent "$name: patch" "$text"
	if patch -s -o "$OUT/compile/${name}_after.c" "$name.c" "$dir/patch" >>"$LOG/cocci.log" 2>&1; then
		OBJECTS+=("${name}_after.o")
	else
		silent "$name: the patch applies" "patch failed"
	fi
}

# compiled: inputs, and what patch mode makes of them, are kernel code
compiled()
{
	local o

	printf 'obj-m := %s\n' "${OBJECTS[*]}" >"$OUT/compile/Kbuild"
	kvars x86_64
	kconfig sparse "${KVARS[@]}" -- defconfig "$ROOT"/harness/config/{common,x86_64,on}.config
	kmake sparse "${KVARS[@]}" modules_prepare
	kmake_try sparse -k "${KVARS[@]}" M="$OUT/compile" "${OBJECTS[@]}" || :
	for o in "${OBJECTS[@]}"; do
		silent "${o%.o}.c compiles" "$([ -f "$OUT/compile/$o" ] || echo "see $LOG/sparse.log")$(
			grep -E "${o%.o}\.c:[0-9].*(error|warning):" "$LOG/sparse.log" || :)"
	done
}

# text_of: for each report on stdin "RULE FILE: the line's text"
text_of()
{
	local rule=$1 place text

	while IFS= read -r place; do
		text=$(sed -n "$(cut -d: -f2 <<<"$place")p" "${place%%:*}" | sed -E 's/^\s+//; s/\s+$//')
		printf '%s %s: %s\n' "$rule" "${place%%:*}" "$text"
	done
}

# whole_tree: no report that is not in the list of those with a reason
whole_tree()
{
	local name place text

	grep -vE '^(#|$)' "$CASES/accepted" | sed -E 's/^\s+//' | sort >"$OUT/accepted"
	: >"$OUT/seen"
	for name in "${NAMES[@]}"; do
		show make -C "$TREE" coccicheck MODE=report COCCI="$RULES/$name.cocci" M=mm
		# spatch takes one folder at a time
		cd "$TREE"
		for place in "${PLACES[@]}"; do
			rule report "$name" --dir "$place" || :
		done >"$OUT/$name/all"
		grep -E "$PLACE" "$OUT/$name/all" | sort -V -u >"$OUT/$name/tree" || :
		text_of "$name" <"$OUT/$name/tree" | sort >"$OUT/$name/texts"
		cat "$OUT/$name/texts" >>"$OUT/seen"
		text=$(comm -23 "$OUT/$name/texts" <(grep "^$name " "$OUT/accepted"))
		silent "$name: nothing new in ${PLACES[*]}" "$text${text:+$'\n'$(cat "$OUT/$name/tree")}"
	done
	silent "each accepted report is still there" "$(comm -13 <(sort "$OUT/seen") "$OUT/accepted")"
}

# planted: one violation at a time, at a real place
planted()
{
	local name file n=0 at rest

	while read -r name file; do
		n=$((n + 1))
		rm -rf "$OUT/planted"
		mkdir -p "$OUT/planted/$(dirname "$file")"
		at=$(perl -w "$ROOT/harness/plant.pl" "$CASES/plants" "$n" "$TREE/$file" "$OUT/planted/$file") || {
			silent "planted: $name in $file" "$at"
			continue
		}
		# at: the first and the last line that were planted
		rest=$(cd "$OUT/planted" && rule report "$name" "$file" | grep -E "$PLACE" |
			awk -F: -v at="$at" 'BEGIN { split(at, a, " ") } $2 >= a[1] && $2 <= a[2]') || :
		silent "planted: $name in $file is found" "$([ -n "$rest" ] || echo "lines $at: no report")"
	done < <(sed -n 's/^# //p' "$CASES/plants")
}

use_tree
: >"$LOG/cocci.log"
mapfile -t NAMES < <(find "$TREE/$RULES" -name '*.cocci' -printf '%f\n' 2>/dev/null | sed 's/\.cocci$//' | sort)
[ ${#NAMES[@]} -gt 0 ] || die "build/tree has no rules in $RULES"
if [ $# -gt 0 ]; then
	[[ $1 != -* ]] || usage "takes names of files, got '$1'"
	files "$@"
	exit 0
fi

passed=0 failed=0
lock cocci
rm -rf "$OUT"
mkdir -p "$OUT"
OBJECTS=()
for name in "${NAMES[@]}"; do
	case_of "$name"
done
compiled
whole_tree
planted
counts $passed $failed 0
