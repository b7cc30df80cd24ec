#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs every suite and sums what they ran.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"

# Name, script and its arguments; the cheap ones first.
SUITES="
kit		kit
style		style
seqcount	seqcount
kunit-um	kunit um
sparse		sparse
build		build
kunit-x86_64	kunit x86_64
kunit-arm64	kunit arm64
kunit-arm64-16k	kunit arm64-16k
kunit-arm64-64k	kunit arm64-64k
kunit-s390	kunit s390
selftest-x86_64	selftest x86_64
selftest-arm64	selftest arm64
bench		bench --check
mm612		mm612
cost		cost
"
# Only when named: they build a stock kernel beside ours, or for one more
# architecture, and a cold run with them would take more than the hour and a half
# that a machine with two cores may have.
ON_REQUEST=" mm612 cost kunit-s390 "

if [ "${1:-}" = --list ]; then
	awk 'NF { print $1 }' <<<"$SUITES"
	exit 0
fi
for name; do
	awk -v n="$name" '$1 == n { found = 1 } END { exit !found }' <<<"$SUITES" ||
		usage "has no suite '$name'"
done

# What is checked is what the repository holds, the same for all suites.
LAF_CALL=tree bash "$ROOT/harness/tree.sh" >/dev/null || exit 1
lock tree shared
export LAF_TREE_READY=1 LAF_LOCKS="${LAF_LOCKS:-} tree"

table=
passed=0 failed=0 skipped=0
begin=$SECONDS
while read -r name script args; do
	[ -n "$name" ] || continue
	if [ $# -gt 0 ]; then
		[[ " $* " = *" $name "* ]] || continue
	elif [[ $ON_REQUEST = *" $name "* ]]; then
		table+="$name is left out; run './laf check $name'"$'\n'
		continue
	fi
	log=$LOG/check-$name.log
	start=$SECONDS
	say "== $name"
	rc=0
	if [ -f "$ROOT/harness/$script.sh" ]; then
		# shellcheck disable=SC2086 # the table's arguments are words
		LAF_CALL=$script bash "$ROOT/harness/$script.sh" $args >"$log" </dev/null || rc=$?
	else
		echo "there is no harness/$script.sh" >"$log"
		rc=1
	fi
	p=0 f=0 s=0
	line=$(tail -n1 "$log")
	if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
		p=${BASH_REMATCH[1]} f=${BASH_REMATCH[2]} s=${BASH_REMATCH[3]}
	fi
	why=
	if [ $((p + f)) -eq 0 ]; then
		why=" (it ran nothing)"
		f=1
	elif [ $rc -ne 0 ] && [ "$f" -eq 0 ]; then
		why=" (it ended with status $rc)"
		f=1
	fi
	if [ "$f" -gt 0 ]; then
		grep -aE '^[[:space:]]*not ok|^FAIL' -A 10 "$log" | head -n 60 || tail -n 5 "$log"
		echo "all of it: $log"
	fi
	line=$(printf '%-16s %5d passed, %d failed, %d skipped, %d s%s' \
		"$name" "$p" "$f" "$s" $((SECONDS - start)) "$why")
	echo "$line"
	table+=$line$'\n'
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done <<<"$SUITES"

echo
printf '%s' "$table"
echo "all suites: $(((SECONDS - begin) / 60)) min $(((SECONDS - begin) % 60)) s"
counts $passed $failed $skipped
