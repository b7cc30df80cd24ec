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
breaks		breaks
sparse		sparse
cocci		cocci
build		build
kunit-x86_64	kunit x86_64
kunit-arm64	kunit arm64
kunit-arm64-16k	kunit arm64-16k
kunit-arm64-64k	kunit arm64-64k
kunit-s390	kunit s390
selftest-x86_64	selftest x86_64
selftest-arm64	selftest arm64
torture		torture --short
bench		bench --check
vmtests		vmtests
cost		cost
bases		bases
full		build --full
"
# Only when named, and why: a cold run with them would take more than the hour and a
# half that a machine with two cores may have.
declare -A ON_REQUEST=(
	[kunit-s390]="builds for one more architecture"
	[vmtests]="builds two stock kernels beside ours"
	[cost]="builds the stock kernel beside ours"
	[bases]="downloads other releases of 6.1"
	[full]="builds for four more architectures and many configurations"
)

if [ "${1:-}" = --list ]; then
	awk 'NF { print $1 }' <<<"$SUITES"
	exit 0
fi
[ "$*" != --full ] || {
	unset 'ON_REQUEST[full]'
	shift
}
# All that looks at the source, and runs none of it.
[ "$*" != --style ] || set -- style sparse cocci build
for name; do
	awk -v n="$name" '$1 == n { found = 1 } END { exit !found }' <<<"$SUITES" ||
		usage "has no suite '$name'"
done

# What is checked is what the repository holds, the same for all suites.
LAF_CALL=tree bash "$ROOT/harness/tree.sh" >/dev/null || exit 1
lock tree shared
export LAF_TREE_READY=1 LAF_LOCKS="${LAF_LOCKS:-} tree"

# Two suites at a time: while one boots a guest, which mostly waits for one CPU,
# another one builds.
LANES=2
declare -A RUNNING=()	# name of the suite, by process
declare -A LINE=()	# what became of it, by name
passed=0 failed=0 skipped=0
begin=$SECONDS

# suite NAME SCRIPT ARG...: run one, leave its status and seconds beside its log
suite()
{
	local log=$LOG/check-$1.log start=$SECONDS rc=0 pid

	say "== $1"
	if [ -f "$ROOT/harness/$2.sh" ]; then
		LAF_CALL=$2 bash "$ROOT/harness/$2.sh" "${@:3}" >"$log" </dev/null &
		pid=$!
		# who kills this one means that one
		trap 'kill $pid; exit 143' TERM
		wait "$pid" || rc=$?
	else
		echo "there is no harness/$2.sh" >"$log"
		rc=1
	fi
	echo "$rc $((SECONDS - start))" >"$log.end"
}

# ended NAME: count a suite that has ended, and say so
ended()
{
	local log=$LOG/check-$1.log p=0 f=0 s=0 rc=1 seconds=0 line why=

	read -r rc seconds <"$log.end" || :
	line=$(tail -n1 "$log")
	if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
		p=${BASH_REMATCH[1]} f=${BASH_REMATCH[2]} s=${BASH_REMATCH[3]}
	fi
	if [ $((p + f)) -eq 0 ]; then
		why=" (it ran nothing)"
		f=1
	elif [ "$rc" -ne 0 ] && [ "$f" -eq 0 ]; then
		why=" (it ended with status $rc)"
		f=1
	fi
	if [ "$f" -gt 0 ]; then
		grep -aE '^[[:space:]]*not ok|^FAIL' -A 10 "$log" | head -n 60 || tail -n 5 "$log"
		echo "all of it: $log"
	fi
	LINE[$1]=$(printf '%-16s %5d passed, %d failed, %d skipped, %d s%s' \
		"$1" "$p" "$f" "$s" "$seconds" "$why")
	echo "${LINE[$1]}"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# wait_for_one: until one of those that run ends
wait_for_one()
{
	local pid

	wait -n -p pid "${!RUNNING[@]}" || :
	ended "${RUNNING[$pid]}"
	unset "RUNNING[$pid]"
}

# shellcheck disable=SC2016 # expanded when the script ends
at_exit 'kill "${!RUNNING[@]}" 2>/dev/null'
while read -r name script args; do
	[ -n "$name" ] || continue
	if [ $# -gt 0 ]; then
		[[ " $* " = *" $name "* ]] || continue
	elif [ -n "${ON_REQUEST[$name]:-}" ]; then
		LINE[$name]=$(printf '%-16s %5d passed, %d failed, %d skipped: %s' "$name" 0 0 1 \
			"left out, it ${ON_REQUEST[$name]}; './laf check $name' runs it")
		skipped=$((skipped + 1))
		continue
	fi
	[ ${#RUNNING[@]} -lt $LANES ] || wait_for_one
	rm -f "$LOG/check-$name.log.end"
	# shellcheck disable=SC2086 # the table's arguments are words
	suite "$name" "$script" $args &
	RUNNING[$!]=$name
done <<<"$SUITES"
while [ ${#RUNNING[@]} -gt 0 ]; do
	wait_for_one
done

echo
while read -r name _; do
	[ -z "${LINE[$name]:-}" ] || echo "${LINE[$name]}"
done < <(awk 'NF' <<<"$SUITES")
echo "all suites: $(((SECONDS - begin) / 60)) min $(((SECONDS - begin) % 60)) s"
counts $passed $failed $skipped
