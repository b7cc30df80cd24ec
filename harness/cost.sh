#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What single pages cost in kernel instructions, beside stock 6.1: with the
# option off, and with it on and every size at never.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=harness/lib-guest.sh
. "$(dirname "$0")/lib-guest.sh"

[ $# -eq 0 ] || usage "takes no argument, got '$1'"
need bc bsdextrautils -- "compares figures"
THP=/sys/kernel/mm/transparent_hugepage
LIMIT=1.01
passed=0 failed=0

# One CPU that translates, whose time stamp counter goes on by one for each
# instruction.
ACCEL=(-accel tcg -cpu "$X86_COUNTED" -icount "shift=0,sleep=off")
GUEST_CPUS=1
GUEST_RAM=512M
GUEST_APPEND=quiet

# count KIND SETTING: boot a kernel and count, into build/run/cost-KIND-SETTING.
# A boot for each: what an earlier run left in the allocators changes a later
# one by more than what is looked for.
count()
{
	local i run=cost-$1-$2

	guest_kernel x86_64 "$1"
	guest_dir "$run" x86_64
	guest_cc x86_64 "$GUEST_ROOT/cost" "$ROOT/harness/cost.c"
	guest_do set /proc/sys/kernel/sched_rt_runtime_us -1
	guest_do set /proc/sys/kernel/randomize_va_space 0
	# Writing the global file sizes the page allocator's lists anew, which
	# changes all figures; so it is written in each setting.
	if [ "$2" = never_always ]; then
		guest_do set $THP/enabled always
	else
		guest_do set $THP/enabled madvise
	fi
	case $2 in
	as_booted) ;;
	never*)	guest_do set "$THP/hugepages-*kB/enabled" never ;;
	kb64)	guest_do set $THP/hugepages-64kB/enabled always ;;
	esac
	for i in 1 2 3; do
		guest_do run "count$i" 300 /cost
	done
	guest_boot x86_64 "${LAF_TIMEOUT:-900}" ||
		die "no figures for the kernel '$1'; what stopped it stands above"
	! grep '^@end' "$RUN/result" | grep -v 'exit 0$' >&2 ||
		die "the counting program failed in the kernel '$1', see $RUN/result"
}

# figure KIND SETTING NAME: one figure, the smallest of the runs
figure()
{
	local n

	n=$(awk -v name="$3" '$1 == name && (n == "" || $2 + 0 < n + 0) { n = $2 } END { print n }' \
		"$BUILD/run/cost-$1-$2/result")
	[[ $n =~ ^[0-9]+(\.[0-9]+)?$ ]] || die "there is no figure $3 of the kernel '$1', $2"
	echo "$n"
}

use_tree
guest_qemu x86_64
# Kernel, setting, what it is, whether it must cost what stock 6.1 costs
COLUMNS="off as_booted option_off 1
plain never all_never 1
plain never_always never,global_always 1
plain kb64 64_kB 0"
count stock as_booted
while read -r kind setting _; do
	count "$kind" "$setting" </dev/null
done <<<"$COLUMNS"
OPERATIONS="fault fork fork_again exit munmap fork_bare exit_bare"

while read -r kind setting _; do
	loop=$(figure "$kind" "$setting" known_loop)
	result "$(bc <<<"$loop >= 200000 && $loop < 200050")" \
		"method: a loop of 200000 instructions counts as $loop (kernel $kind, $setting)"
done <<<"stock as_booted
$COLUMNS"

# The small process is shown but not judged: where its slabs happen to be
# moves it by some per cent on one and the same kernel.
echo "# instructions for each 4 KiB page (fork_bare, exit_bare: for a small process), and ratio to stock 6.1"
{
	printf 'operation stock_6.1'
	while read -r _ _ title _; do
		printf ' %s ratio' "$title"
	done <<<"$COLUMNS"
	echo
	for op in $OPERATIONS; do
		base=$(figure stock as_booted "$op")
		printf '%s %.1f' "$op" "$base"
		while read -r kind setting _ _; do
			n=$(figure "$kind" "$setting" "$op")
			printf ' %.1f %.4f' "$n" "$(bc -l <<<"$n / $base")"
		done <<<"$COLUMNS"
		echo
	done
} | column -t

while read -r kind setting title must; do
	[ "$must" = 1 ] || continue
	for op in $OPERATIONS; do
		[[ $op != *_bare ]] || continue
		base=$(figure stock as_booted "$op")
		n=$(figure "$kind" "$setting" "$op")
		result "$(bc -l <<<"$n <= $base * $LIMIT")" \
			"$title: $op costs $n, $(printf %+.2f "$(bc -l <<<"($n / $base - 1) * 100")") % beside stock 6.1"
	done
done <<<"$COLUMNS"
counts $passed $failed 0
