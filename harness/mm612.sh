#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs programs of mainline 6.12's tools/testing/selftests/mm on this tree's
# kernel and on stock 6.1: what passes there must pass here. Both have this tree's
# mm/gup_test, so that cow can pin memory.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=harness/lib-guest.sh
. "$(dirname "$0")/lib-guest.sh"

[ $# -eq 0 ] || usage "takes no argument, got '$1'"

PROGS=(cow mkdirty madv_populate mremap_test)
OUT=$BUILD/mm612

# build_progs: the programs, static, from Debian's 6.12 source
build_progs()
{
	local log=$LOG/mm612.log targets=("${PROGS[@]/#/$OUT/mm/}") what prog

	use_612
	need rsync liburing-dev -- "builds 6.12's memory tests, cow's io_uring ones too"
	kvars x86_64
	lock mm612
	mkdir -p "$OUT/mm"
	# which libraries are there is asked anew
	rm -f "$STOCK612/tools/testing/selftests/mm/local_config."*
	for what in headers tests; do
		set -- make -C "$STOCK612" O="$OUT" -j"$JOBS" ARCH=x86_64 headers
		[ $what = headers ] ||
			set -- make -C "$STOCK612/tools/testing/selftests/mm" ARCH=x86_64 O="$OUT" \
				OUTPUT="$OUT/mm" KHDR_INCLUDES="-isystem $OUT/usr/include" \
				USERLDFLAGS=-static "${targets[@]}"
		show "$@"
		logged "$log" "6.12 $what" "$@" || {
			first_error "$log"
			die "6.12's memory tests do not build; all of it: $log"
		}
	done
	for prog in "${PROGS[@]}"; do
		[ -x "$OUT/mm/$prog" ] || die "the build of 6.12's tests left no $prog"
	done
	grep -q HAVE_LIBURING "$STOCK612/tools/testing/selftests/mm/local_config.h" ||
		say "cow is built without liburing: its io_uring tests are not run"
}

show_line()
{
	case $1 in
	'@start '*)	now=${1#@start } then=$SECONDS seen=0 ;;
	' ok '* | ' not ok '*)	seen=$((seen + 1)) ;;
	'@end '*)	say "$where: $now: $seen tests, $((SECONDS - then)) s, ${1#"@end $now "}" ;;
	esac
}

# boot KIND: run the programs on a kernel, summary in build/run/mm612-KIND.
# A guest that does not get to its end is void, whatever it said before.
boot()
{
	local prog

	where=$1
	guest_kernel x86_64 "$1"
	guest_accel x86_64
	guest_dir "mm612-$1" x86_64
	mkdir -p "$GUEST_ROOT/tests"
	cp "${PROGS[@]/#/$OUT/mm/}" "$GUEST_ROOT/tests/"
	guest_do swap /dev/vda
	guest_do set /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages 16
	for prog in "${PROGS[@]}"; do
		guest_do run "$prog" 900 "/tests/$prog"
	done
	bad=
	GUEST_SHOW=show_line guest_boot x86_64 "${LAF_TIMEOUT:-1800}" || bad=1
	guest_tap "$RUN/result" mm612 >"$RUN/all"
	grep -E '^(ok|not ok|skip) ' "$RUN/all" >"$RUN/summary" || :
}

use_tree
guest_qemu x86_64
build_progs

boot stockgup
# Stock's own complaints are not ours to count, but without a whole result
# there is nothing to compare with.
grep -qx '@done' "$RUN/result" || die "stock 6.1 did not get through the tests, so nothing is compared"
STOCK_RUN=$RUN
echo "# stock 6.1: cow passes $(grep -c '^ok mm612 cow:' "$RUN/summary" || :) tests;" \
	"all programs: $(guest_tap_counts "$RUN/summary" | awk '{ print $1 " passed, " $2 " failed, " $3 " skipped" }')"

boot debug
# cow's tests are named by what it runs and with which memory; those of
# the others, which take the same way on each kernel, are counted
awk '
{
	how = $1 == "not" ? "not ok" : $1
	name = substr($0, length(how) + 8)
	if (match(name, /^cow: .* \.\.\. with [^:]*: /)) {
		key = substr(name, 1, RLENGTH - 2)
		key = key " #" ++count[FILENAME, key]
	} else {
		key = substr(name, 1, index(name, ":"))
		key = key " test " ++count[FILENAME, key]
	}
}
FNR == NR { stock[key] = how; next }
{
	ours[key] = 1
	if (how == "not ok" && stock[key] == "not ok")
		print "skip mm612 " name " # fails on stock 6.1 too"
	else if (how == "skip" && stock[key] == "ok")
		print "not ok mm612 " name " (is skipped, passes on stock 6.1)"
	else
		print how " mm612 " name
}
END {
	for (key in stock)
		if (stock[key] == "ok" && !(key in ours))
			print "not ok mm612 " key " (did not run, passes on stock 6.1)"
}' "$STOCK_RUN/summary" "$RUN/summary" >"$RUN/compared"
[ -z "$bad" ] || echo "not ok mm612: the guest itself, see above" >>"$RUN/compared"
grep '^not ok' "$RUN/compared" || :
# cow by size: every size that it found must have been tested
sed -n 's/^ # \[INFO\] detected THP size: \([0-9]*\) KiB.*/\1/p' "$RUN/result" |
	sort -nu >"$RUN/sizes"
while read -r kb; do
	n=$(grep -cE "^ok mm612 cow: .*THP \($kb kB\)" "$RUN/compared" || :)
	s=$(grep -cE "^skip mm612 cow: .*THP \($kb kB\)" "$RUN/compared" || :)
	echo "# this tree: cow with $kb kB: $n passed, $s skipped"
	[ "$n" -gt 0 ] || echo "not ok mm612 cow: no test with $kb kB passed" | tee -a "$RUN/compared"
done <"$RUN/sizes"
sizes=$(wc -l <"$RUN/sizes")
[ "$sizes" -gt 1 ] || echo "not ok mm612 cow: found $sizes large sizes in sysfs" | tee -a "$RUN/compared"
echo "# this tree: skipped, by reason:"
sed -n 's/^skip mm612 \([a-z_]*\): .*# *\(.*\)/#   \1: \2/p' "$RUN/compared" | sort | uniq -c
read -r p f s < <(guest_tap_counts "$RUN/compared")
echo "# this tree: cow passes $(grep -c "^ok mm612 cow:" "$RUN/compared" || :) tests;" \
	"all programs: $p passed, $f failed, $s skipped"

counts "$p" "$f" "$s"
