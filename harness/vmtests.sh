#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs other people's memory tests: 6.1's tools/testing/selftests/vm and 6.12's
# tools/testing/selftests/mm on stock 6.1, this tree and stock 6.12, where what
# passes on stock 6.1 must pass here, and stress-ng on this tree.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=harness/lib-guest.sh
. "$(dirname "$0")/lib-guest.sh"

OUT=$BUILD/vmtests
TABLE=$OUT/table.rst
THP=/sys/kernel/mm/transparent_hugepage
STRESS_SECONDS=${LAF_STRESS_SECONDS:-600}
# A machine that has other work, too, needs more time. A CPU of the guest that does
# not run is no lockup: ksmd flushes TLBs with a lock held that khugepaged spins on.
SLOW=${LAF_SLOW:-1}
APPEND="secretmem.enable=1 no_timer_check"
[ "$SLOW" -le 1 ] || APPEND+=" nosoftlockup rcupdate.rcu_cpu_stall_suppress=1"

# Which tests, seconds that it may take, program and arguments as run_vmtests.sh
# has them; 'set' is a line for init. Arguments that were scaled down for a CPU that
# is emulated have run_vmtests.sh's behind #.
TESTS="
set /proc/sys/vm/nr_hugepages 128
vm	60	hugepage-mmap
vm	60	hugepage-shm
vm	60	map_hugetlb
vm	60	hugepage-mremap /dev/hugepages/huge_mremap
vm	60	hugepage-vmemmap
vm	120	hugetlb-madvise /dev/hugepages/madvise-test
vm	60	map_fixed_noreplace
vm	60	gup_test -u
vm	60	gup_test -a
vm	60	gup_test -ct -F 0x1 0 19 0x1000
vm	180	userfaultfd anon 20 4	# 20 16
vm	180	userfaultfd hugetlb 64 4	# 128 32
vm	180	userfaultfd hugetlb_shared 64 4 /dev/hugepages/uffd-test	# 128 32
vm	180	userfaultfd shmem 20 4	# 20 16
vm	180	userfaultfd anon:dev 20 4	# 20 16
vm	180	userfaultfd hugetlb:dev 64 4	# 128 32
vm	180	userfaultfd hugetlb_shared:dev 64 4 /dev/hugepages/uffd-test	# 128 32
vm	180	userfaultfd shmem:dev 20 4	# 20 16
set /proc/sys/vm/nr_hugepages 0
vm	180	compaction_test
vm	60	on-fault-limit
vm	60	map_populate
vm	60	mlock-random-test
vm	60	mlock2-tests
vm	60	mrelease_test
vm	120	mremap_test
vm	60	thuge-gen
vm	120	virtual_address_range
vm	60	va_128TBswitch
vm	60	mremap_dontunmap
vm	300	hmm-tests
vm	60	madv_populate
vm	60	memfd_secret
vm	60	ksm_tests -M -p 10
vm	60	ksm_tests -U
vm	60	ksm_tests -Z -p 10 -z 0
vm	60	ksm_tests -Z -p 10 -z 1
vm	60	ksm_tests -N -m 1
vm	60	ksm_tests -N -m 0
vm	300	protection_keys_64
vm	300	soft-dirty
vm	600	khugepaged all:anon
set THP/enabled madvise
set THP/defrag madvise
vm	120	split_huge_page_test
vm	300	migration
set /proc/sys/vm/nr_hugepages 128
mm	60	hugepage-mmap
mm	60	hugepage-shm
mm	60	map_hugetlb
mm	60	hugepage-mremap
mm	60	hugepage-vmemmap
mm	120	hugetlb-madvise
mm	60	hugetlb_dio
set /proc/sys/vm/nr_hugepages 1
mm	60	hugetlb_fault_after_madv
mm	60	hugetlb_madv_vs_map
set /proc/sys/vm/nr_hugepages 128
mm	60	map_fixed_noreplace
mm	60	gup_test -u
mm	60	gup_test -a
mm	60	gup_test -ct -F 0x1 0 19 0x1000
mm	120	gup_longterm
mm	300	uffd-unit-tests
mm	180	uffd-stress anon 20 4	# 20 16
mm	180	uffd-stress hugetlb 64 4	# 128 32
mm	180	uffd-stress hugetlb-private 64 4	# 128 32
mm	180	uffd-stress shmem 20 4	# 20 16
mm	180	uffd-stress shmem-private 20 4	# 20 16
set /proc/sys/vm/nr_hugepages 0
mm	180	compaction_test
mm	60	on-fault-limit
mm	60	map_populate
mm	60	mlock-random-test
mm	60	mlock2-tests
mm	60	mrelease_test
mm	120	mremap_test
mm	60	thuge-gen
set /proc/sys/vm/overcommit_memory 1
mm	120	virtual_address_range
set /proc/sys/vm/overcommit_memory 0
mm	60	va_high_addr_switch --run-hugetlb
mm	60	mremap_dontunmap
mm	300	hmm-tests
mm	60	madv_populate
mm	60	memfd_secret
mm	120	ksm_tests -H -s 8 -l 600	# -s 100
mm	120	ksm_tests -P -s 8 -l 600	# -s 100
mm	60	ksm_tests -M -p 10
mm	60	ksm_tests -U
mm	60	ksm_tests -Z -p 10 -z 0
mm	60	ksm_tests -Z -p 10 -z 1
mm	60	ksm_tests -N -m 1
mm	60	ksm_tests -N -m 0
mm	60	ksm_functional_tests
mm	300	protection_keys_64
mm	60	pkey_sighandler_tests_64
mm	300	soft-dirty
mm	300	pagemap_ioctl
set /proc/sys/vm/nr_hugepages 16
mm	900	cow
set /proc/sys/vm/nr_hugepages 0
mm	600	khugepaged
mm	600	khugepaged -s 2
set THP/enabled madvise
set THP/defrag madvise
mm	120	transhuge-stress -d 20 512	# all memory
mm	180	split_huge_page_test
mm	300	migration
mm	60	mkdirty
mm	60	mdwe_test
mm	60	mseal_test
mm	60	seal_elf
mm	60	droppable
"
# What run_vmtests.sh has, too
NOT_RUN="
test_vmalloc.sh: loads a module; it tests vmalloc
test_hmm.sh: loads a module; the driver is built in, and hmm-tests are run
charge_reserved_hugetlb.sh, hugetlb_reparenting_test.sh: cgroups of hugetlb, no anonymous memory
hugetlb-soft-offline, hugetlb-read-hwpoison: destroy pages, are not run by default
transhuge-stress of 6.1: has no end; that of 6.12 is run
khugepaged file, stress-ng --swap: there is no file system on a disk
stress-ng --mlockmany: it wants --pathological, for it may hang a machine
"
# stress-ng's stressors and options; the seconds are shared out
STRESS="
vm 2 --vm-bytes 256m --vm-method all
vm 2 --vm-bytes 400m --vm-madvise hugepage
mmap 2 --mmap-bytes 128m --mmap-mprotect
mmapfork 2
mmapaddr 2
mmapfixed 2
mmaphuge 2
mmapmany 2
mremap 2 --mremap-bytes 64m
madvise 2
fork 2 --fork-vm
vfork 2
vforkmany 2
brk 2
stack 2 --stack-fill
stackmmap 2
bigheap 2
malloc 2 --malloc-bytes 256m
shm 2
shm-sysv 2
mlock 2
munmap 2
msync 2
mprotect 2
pagemove 2
pageswap 2
userfaultfd 2
vm-addr 2
vm-rw 2 --vm-rw-bytes 64m
vm-segv 2
vm-splice 2
mincore 2
remap 2
rmap 2
memthrash 2
numa 2
tlb-shootdown 2
full 1
zero 2
tmpfs 2
"

# wanted NAME: whether it is among those that the call names
wanted()
{
	[ -z "${NAMES:-}" ] || [[ " $NAMES " = *" $1 "* ]]
}

# words WORD...: one word of them, for a run's name
words()
{
	local IFS=,

	echo "$*"
}

# build_tests vm|mm SOURCE HEADERS: the static programs in $OUT/vm or $OUT/mm;
# those that do not build are told, with the reason
build_tests()
{
	local what=$1 src=$2 log=$LOG/vmtests-$1.log dir=tools/testing/selftests/$1 prog

	mkdir -p "$OUT/$what"
	show make -C "$src" O="$OUT/h-$what" -j"$JOBS" ARCH=x86_64 headers
	logged "$log" "headers" make -C "$src" O="$OUT/h-$what" -j"$JOBS" ARCH=x86_64 headers ||
		die "'make headers' fails; all of it: $log"
	# Which libraries are there is asked anew. khugepaged.c of Debian's 6.12 lacks the
	# header that has KSFT_SKIP.
	rm -f "$src/$dir/local_config."*
	set -- make -k -C "$src/$dir" ARCH=x86_64 OUTPUT="$OUT/$what" CAN_BUILD_I386=0 \
		KHDR_INCLUDES="-isystem $OUT/h-$what/usr/include" USERLDFLAGS=-static LDFLAGS=-static \
		EXTRA_CFLAGS="-static -U_FORTIFY_SOURCE -DKSFT_SKIP=4" all
	show "$@"
	logged "$log" "$what" "$@" || :
	while read -r prog; do
		[ -x "$OUT/$what/$prog" ] || {
			echo "# $what/$prog does not build: $(grep -m1 -E "$prog.*(error|undefined)" "$log")"
		}
	done < <(programs "$what")
}

# programs vm|mm: those of TESTS that are wanted
programs()
{
	local prog

	awk -v w="$1" '$1 == w { print $3 }' <<<"$TESTS" | sort -u | while read -r prog; do
		! wanted "$prog" || echo "$prog"
	done
}

show_line()
{
	case $1 in
	'@start '*)	then=$SECONDS ;;
	'@end '*)	say "$where: ${1#@end }, $((SECONDS - then)) s" ;;
	esac
}

# tap RESULT: gives khugepaged and uffd-unit-tests the lines of TAP that they lack,
# and stress-ng the one of what is skipped; its 7 is about its own counters
tap()
{
	awk '
	function flush() {
		if (test != "") { n++; print " " (bad ? "not ok " : skip ? "ok " : "ok ") n " " test (skip && !bad ? " # SKIP" : "") }
		test = ""; bad = skip = 0
	}
	/^@start/ { n = none = 0; test = "" }
	/^ stress-ng: .* stressor will be skipped/ && !none++ { print " 1..0 # SKIP " $0 }
	/^@end stress-ng/ { sub(/exit 7$/, "exit 0") }
	/^@end/ { if (!/exit 0/ && test != "") bad = 1; flush() }
	/^ Run test: / { flush(); test = substr($0, 12) }
	test != "" && /Fail|Timeout|Unexpected/ { bad = 1 }
	test != "" && /Skip/ { skip = 1 }
	{ print }
	/^ Testing .*\.\.\. (done|skipped|failed)/ {
		how = $0; name = $0
		sub(/.*\.\.\. /, "", how); sub(/^ Testing /, "", name); sub(/\.\.\. .*/, "", name)
		n++
		print " " (how ~ /^failed/ ? "not ok " : "ok ") n " " name (how ~ /^skipped/ ? " # SKIP " how : "")
	}' "$1"
}

# boot KIND: run the tests on a kernel; the summary is in build/run/vmtests-KIND.
# What a stock kernel said is kept as long as it and the tests are the same. A guest
# that does not get to its end is void, whatever it said before.
boot()
{
	local what limit prog args line

	where=$1
	guest_kernel x86_64 "$1"
	guest_accel x86_64
	RUN=$BUILD/run/vmtests-$1
	if [ "$1" != vm ] && [ "$(cat "$RUN/inputs" 2>/dev/null)" = "$(inputs)" ]; then
		say "$1: kernel and tests are those of an earlier run, whose results are kept in $RUN"
		summary
		return
	fi
	guest_dir "vmtests-$1" x86_64
	cp -r "$OUT/vm" "$OUT/mm" "$GUEST_ROOT/"
	ln -s /dev/hugepages "$GUEST_ROOT/vm/huge"
	mkdir -p "$GUEST_ROOT/bin" "$GUEST_ROOT/etc"
	cp /bin/busybox "$GUEST_ROOT/bin/"
	echo nobody:x:65534:65534::/:/bin/false >"$GUEST_ROOT/etc/passwd"
	guest_do swap /dev/vda
	while read -r line; do
		line=${line%%#*}
		read -r what limit prog args <<<"$line"
		case $what in
		'')	continue ;;
		set)	guest_do "${line/THP/$THP}"
			continue ;;
		esac
		wanted "$prog" || continue
		[ -x "$OUT/$what/$prog" ] || continue
		set -- "/$what/$prog"
		# it means a user whose memory is limited
		[ "$prog" != on-fault-limit ] ||
			set -- /bin/busybox start-stop-daemon -S -c nobody -x "/$what/$prog"
		# shellcheck disable=SC2086 # words
		guest_do run "$(words "$what/$prog" $args)" $((limit * SLOW)) "$@" $args
	done <<<"$TESTS"
	# migration wants two threads beside its own
	guest_nodes 4 1536
	bad=
	GUEST_FILTER=not_stock GUEST_APPEND=$APPEND GUEST_SHOW=show_line \
		guest_boot x86_64 "$((3600 * SLOW))" "${NODES[@]}" || bad=1
	! grep -qx '@done' "$RUN/result" || inputs >"$RUN/inputs"
	summary
}

# inputs: all that a stock kernel's results depend on
inputs()
{
	(cat "$IMAGE" && cd "$OUT" && cat vm/* mm/* && echo "$TESTS $NAMES $APPEND $SLOW") 2>/dev/null |
		sha256sum
}

# summary: a line for each test of the run
summary()
{
	tap "$RUN/result" >"$RUN/tap"
	guest_tap "$RUN/tap" vmtests bare >"$RUN/all"
	grep -E '^(ok|not ok|skip) ' "$RUN/all" >"$RUN/summary" || :
}

# not_stock: the console without what stock 6.1 said in the same tests
not_stock()
{
	local said=${STOCK_RUN:+$STOCK_RUN/console}

	awk '
		match($0, /WARNING: .* [a-z_0-9.]+\+0x/) {
			f = substr($0, 1, RSTART + RLENGTH - 4)
			sub(/.* /, "", f)
			if (stock) { warned[f] = 1; next }
			if (f in warned) next
		}
		!stock { print }' stock=1 "${said:-/dev/null}" stock=0 -
}

# compare STOCK OURS: each test of ours, judged by what stock says of it. Tests
# are known by name, those of cow by what it runs and with which memory, for
# the rest of the line tells what came out.
compare()
{
	awk '
	{
		how = $1 == "not" ? "not ok" : $1
		name = substr($0, length(how) + 10)
		key = name
		if (match(key, /^mm\/(cow|gup_longterm): .* \.\.\. with [^:]*: /))
			key = substr(key, 1, RLENGTH - 2)
		sub(/: the program: .*/, ": the program", key)
		sub(/ *#.*/, "", key)
		gsub(/0x[0-9a-f]+/, "0x", key)
		key = key " (" ++count[FILENAME, key] ")"
	}
	FNR == NR { stock[key] = how; next }
	{
		ours[key] = 1
		if (how == "not ok" && stock[key] == "not ok")
			print "skip vmtests " name " # fails on stock 6.1 too"
		else if (how == "skip" && stock[key] == "ok")
			print "not ok vmtests " name " (is skipped, passes on stock 6.1)"
		else
			print how " vmtests " name
	}
	END {
		for (key in stock)
			if (stock[key] == "ok" && !(key in ours))
				print "not ok vmtests " key " (did not run, passes on stock 6.1)"
	}' "$1" "$2"
}

# table STOCK OURS 612: the RST table of programs and kernels
table()
{
	awk '
	function cell(k, p,   a, b, c) {
		a = n[k, p, "ok"] + 0; b = n[k, p, "not ok"] + 0; c = n[k, p, "skip"] + 0
		if (a + b + c == 0) return "did not run"
		if (a + b + c == 1) return a ? "pass" : b ? "fail" : "skip"
		return a " / " b " / " c
	}
	FNR == 1 { kernel++ }
	{
		how = $1 == "not" ? "not ok" : $1
		p = substr($0, length(how) + 10)
		sub(/:( .*|$)/, "", p)
		gsub(/,/, " ", p)
		if (!(p in seen)) { seen[p] = 1; order[++np] = p; if (length(p) > w) w = length(p) }
		n[kernel, p, how]++
		total[kernel, how]++
	}
	END {
		eq = sprintf("%*s", w, ""); gsub(/ /, "=", eq)
		line = eq "  ================  ================  ================"
		print line
		printf "%-*s  %-16s  %-16s  %s\n", w, "program", "stock 6.1", "this tree", "stock 6.12"
		print line
		for (i = 1; i <= np; i++)
			printf "%-*s  %-16s  %-16s  %s\n", w, order[i], cell(1, order[i]), cell(2, order[i]), cell(3, order[i])
		printf "%-*s", w, "all"
		for (k = 1; k <= 3; k++)
			printf "  %-16s", total[k, "ok"] + 0 " / " total[k, "not ok"] + 0 " / " total[k, "skip"] + 0
		print ""
		print line
	}' "$@" | sed 's/ *$//'
}

# cow_sizes: every size that cow found must have been tested
cow_sizes()
{
	local kb p s sizes=0

	while read -r kb; do
		p=$(grep -cE "^ok vmtests mm/cow: .*THP \($kb kB\)" "$RUN/compared" || :)
		s=$(grep -cE "^skip vmtests mm/cow: .*THP \($kb kB\)" "$RUN/compared" || :)
		echo "# this tree: cow with $kb kB: $p passed, $s skipped"
		sizes=$((sizes + 1))
		[ "$p" -gt 0 ] || echo "not ok vmtests mm/cow: no test with $kb kB passed" | tee -a "$RUN/compared"
	done < <(sed -n 's/^ # \[INFO\] detected THP size: \([0-9]*\) KiB.*/\1/p' "$RUN/result" | sort -nu)
	[ $sizes -gt 1 ] || echo "not ok vmtests mm/cow: found $sizes large sizes in sysfs" | tee -a "$RUN/compared"
}

# stress: stress-ng's stressors one after another with large folios of all sizes
stress()
{
	local name args n each

	guest_kernel x86_64 vm
	guest_accel x86_64
	guest_dir vmtests-stress x86_64
	guest_program /usr/bin/stress-ng
	guest_do swap /dev/vda
	guest_do set "$THP/enabled" always
	guest_do set "$THP/hugepages-*kB/enabled" always
	n=$(grep -c . <<<"$STRESS")
	each=$((STRESS_SECONDS / n + 1))
	while read -r name args; do
		[ -n "$name" ] || continue
		# shellcheck disable=SC2086 # words
		guest_do run "$(words "stress-ng/$name" $args)" $((each * 4 + 120 * SLOW)) /usr/bin/stress-ng \
			--verify --oomable --timeout "${each}s" --temp-path /tmp --"$name" $args
	done <<<"$STRESS"
	guest_nodes 4 1536
	where=stress-ng bad=
	GUEST_APPEND=$APPEND GUEST_SHOW=show_line \
		guest_boot x86_64 $(((STRESS_SECONDS * 4 + 1200) * SLOW)) "${NODES[@]}" || bad=1
	summary
	[ -z "$bad" ] || echo "not ok vmtests stress-ng: the guest itself, see above" >>"$RUN/summary"
}

if [ "$*" = --publish ]; then
	[ -s "$TABLE" ] || die "there is no $TABLE; run './laf vmtests' first"
	publish vmtests "$TABLE"
	exit 0
fi
NAMES=$*
for name; do
	[[ $'\t'"${TESTS//[ $'\n']/$'\t'}" = *$'\t'"$name"$'\t'* ]] || [ "$name" = stress-ng ] ||
		usage "has no program '$name'"
done

use_tree
use_stock
use_612
guest_qemu x86_64
need rsync libcap-dev libnuma-dev liburing-dev busybox-static stress-ng -- "builds and runs other people's memory tests"
kvars x86_64
lock vmtests
rm -f "$TABLE"
: >"$OUT.all"
if [ "$NAMES" != stress-ng ]; then
	build_tests vm "$STOCK"
	build_tests mm "$STOCK612"
	grep -q HAVE_LIBURING "$STOCK612/tools/testing/selftests/mm/local_config.h" ||
		say "cow is built without liburing: its io_uring tests are not run"
	boot vmstock
	# Stock's own complaints are not ours to count, but without a whole result
	# there is nothing to compare with.
	grep -qx '@done' "$RUN/result" || die "stock 6.1 did not get through the tests, so nothing is compared"
	STOCK_RUN=$RUN
	boot vm612
	grep -qx '@done' "$RUN/result" || say "stock 6.12 did not get through the tests"
	RUN612=$RUN
	boot vm
	compare "$STOCK_RUN/summary" "$RUN/summary" >"$RUN/compared"
	[ -z "$bad" ] || echo "not ok vmtests: the guest itself, see above" >>"$RUN/compared"
	! wanted cow || cow_sizes
	grep '^not ok' "$RUN/compared" || :
	echo "# this tree: skipped, by reason:"
	sed -n 's/^skip vmtests \([^:]*\): .*# *\(.*\)/#   \1: \2/p' "$RUN/compared" | sort | uniq -c
	table "$STOCK_RUN/summary" "$RUN/summary" "$RUN612/summary" | tee "$RUN/table"
	sed -n 's/^./# not run: &/p' <<<"$NOT_RUN"
	cat "$RUN/compared" >>"$OUT.all"
fi
if wanted stress-ng; then
	stress
	tee -a "$OUT.all" <"$RUN/summary"
fi
read -r p f s < <(guest_tap_counts "$OUT.all")
if [ -z "$NAMES" ]; then
	{
		# shellcheck disable=SC2016 # RST
		printf '\n``./laf vmtests``, commit %s: %s passed, %s failed, %s skipped, in %s minutes.\n\n' \
			"$(git -C "$ROOT" rev-parse --short HEAD 2>/dev/null || echo none)" "$p" "$f" "$s" $((SECONDS / 60))
		cat "$BUILD/run/vmtests-vm/table"
		echo
	} >"$TABLE"
fi
counts "$p" "$f" "$s"
