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
# instruction. String instructions of a whole page would count as one: none.
ACCEL=(-accel tcg -cpu "max,erms=off,fsrm=off" -icount "shift=0,sleep=off")
GUEST_CPUS=1
GUEST_RAM=512M
GUEST_APPEND=quiet

# count KIND: boot a kernel and count, figures in build/run/cost-KIND/result
count()
{
	guest_kernel x86_64 "$1"
	guest_dir "cost-$1" x86_64
	guest_cc x86_64 "$GUEST_ROOT/cost" "$ROOT/harness/cost.c"
	guest_do run asked 300 /cost
	if [ "$1" = plain ]; then
		guest_do set "$THP/hugepages-*kB/enabled" never
		guest_do run never 300 /cost
		guest_do set $THP/enabled always
		guest_do run never_always 300 /cost
		guest_do set $THP/hugepages-64kB/enabled always
		guest_do run kb64 300 /cost
	fi
	guest_boot x86_64 "${LAF_TIMEOUT:-900}" ||
		die "no figures for the kernel '$1'; what stopped it stands above"
	! grep '^@end' "$RUN/result" | grep -v 'exit 0$' >&2 || die "the counting program failed in the kernel '$1'"
}

# figure KIND RUN NAME: one figure
figure()
{
	local n

	n=$(awk -v run="$2" -v name="$3" '
		/^@start / { now = $2 }
		now == run && $1 == name { print $2 }' "$BUILD/run/cost-$1/result")
	[[ $n =~ ^[0-9]+(\.[0-9]+)?$ ]] || die "there is no figure $3 of the kernel '$1', run '$2'"
	echo "$n"
}

result()
{
	if [ "$1" = 1 ]; then
		echo "ok $2"
		passed=$((passed + 1))
	else
		echo "not ok $2"
		failed=$((failed + 1))
	fi
}

use_tree
guest_qemu x86_64
for kind in stock off plain; do
	count $kind
done

# COLUMN: kernel, run, what it is, whether it must cost what stock 6.1 costs
COLUMNS="off asked option_off 1
plain never all_never 1
plain never_always never,global_always 1
plain kb64 64_kB 0"
OPERATIONS="fault fork fork_again exit munmap fork_bare exit_bare"

for kind in stock off plain; do
	loop=$(figure $kind asked known_loop)
	result "$(bc <<<"$loop >= 200000 && $loop < 200050")" \
		"method: a loop of 200000 instructions counts as $loop (kernel $kind)"
done

echo "# instructions for each 4 KiB page (fork_bare, exit_bare: for a small process), and ratio to stock 6.1"
{
	printf 'operation stock_6.1'
	while read -r _ _ title _; do
		printf ' %s ratio' "$title"
	done <<<"$COLUMNS"
	echo
	for op in $OPERATIONS; do
		base=$(figure stock asked "$op")
		printf '%s %.1f' "$op" "$base"
		while read -r kind run _ _; do
			n=$(figure "$kind" "$run" "$op")
			printf ' %.1f %.4f' "$n" "$(bc -l <<<"$n / $base")"
		done <<<"$COLUMNS"
		echo
	done
} | column -t

while read -r kind run title must; do
	[ "$must" = 1 ] || continue
	for op in $OPERATIONS; do
		base=$(figure stock asked "$op")
		n=$(figure "$kind" "$run" "$op")
		result "$(bc -l <<<"$n <= $base * $LIMIT")" \
			"$title: $op costs $n, $(printf %+.2f "$(bc -l <<<"($n / $base - 1) * 100")") % beside stock 6.1"
	done
done <<<"$COLUMNS"
counts $passed $failed 0
