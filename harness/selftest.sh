#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Boots the assembled kernel and runs its kselftest folder.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=harness/lib-guest.sh
. "$(dirname "$0")/lib-guest.sh"
# shellcheck source=harness/lib-selftest.sh
. "$(dirname "$0")/lib-selftest.sh"

[ $# -le 1 ] || usage "takes one architecture or none, got '$*'"
case ${1:-} in
'')	archs=(x86_64 arm64) ;;
x86_64 | arm64)	archs=("$1") ;;
*)	usage "knows x86_64 and arm64, not '$1'" ;;
esac

passed=0 failed=0 skipped=0

show_line()
{
	case $1 in
	'@start '*)	now=${1#@start } then=$SECONDS seen=0 ;;
	' ok '* | ' not ok '*)	seen=$((seen + 1)) ;;
	'@end '*)	say "$now: $seen tests, $((SECONDS - then)) s, ${1#"@end $now "}" ;;
	esac
}

# What needs to be tried with more CPUs than two, with sizes set at boot, or with memory
# that can go offline
CROWDED="policy race storm poison"

# boot ARCH CPUS APPEND PROGRAM...: run these in a guest of two memory nodes whose
# kernel gets APPEND, add to the sums
boot()
{
	local arch=$1 cpus=$2 append=$3 limit p f s prog bad=

	shift 3
	guest_dir "selftest-$arch-$cpus" "$arch"
	mkdir -p "$GUEST_ROOT/tests"
	cp -r "$TESTS/$FOLDER/." "$GUEST_ROOT/tests/"
	limit=$(sed -n 's/^timeout=//p' "$TREE/tools/testing/selftests/$FOLDER/settings")
	guest_do swap /dev/vda
	for prog; do
		guest_do run "$prog" "${limit:-300}" "/tests/$prog"
	done
	guest_nodes "$cpus"
	GUEST_APPEND=$append
	GUEST_SHOW=show_line guest_boot "$arch" "${LAF_TIMEOUT:-1800}" "${NODES[@]}" || bad=1
	echo "# $arch, $cpus CPUs, $append"
	guest_tap "$RUN/result" "$arch" >"$RUN/summary"
	cat "$RUN/summary"
	read -r p f s < <(guest_tap_counts "$RUN/summary")
	if [ -n "$bad" ]; then
		echo "not ok $arch: the guest itself, see above"
		f=$((f + 1))
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# one ARCH: build, boot, count
one()
{
	local arch=$1 progs first=on second=off

	guest_qemu "$arch"
	build_tests "$arch"
	guest_kernel "$arch" debug
	guest_accel "$arch"
	mapfile -t progs < <(cut -d: -f2 "$TESTS/kselftest-list.txt")
	[ ${#progs[@]} -gt 0 ] || die "the folder $FOLDER holds no test"
	# Both ways of writing under an atomic_seqcount are tested on each: one by all
	# programs, the other one by those that are most at once
	[ "$arch" = x86_64 ] || first=off second=on
	boot "$arch" 2 "atomic_seqcount.sole=$first" "${progs[@]}"
	# shellcheck disable=SC2086 # words
	boot "$arch" 4 "atomic_seqcount.sole=$second movablecore=40% thp_anon=$THP_ANON" $CROWDED
}

use_tree
for arch in "${archs[@]}"; do
	one "$arch"
done
counts $passed $failed $skipped
