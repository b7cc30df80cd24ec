#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Counts what the kernel executes for each page of anonymous memory, by folio
# size: stock 6.1, this tree with and without rmap IDs, and stock 6.12, in QEMU
# with a plugin that counts.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=harness/lib-guest.sh
. "$(dirname "$0")/lib-guest.sh"

SRC=$ROOT/harness/bench
BUDGETS=$SRC/budgets
OUT=$BUILD/bench
ARCHS=
THP=/sys/kernel/mm/transparent_hugepage
mode=
for arg; do
	case $arg in
	--check | --lower | --native)
		[ -z "$mode" ] || usage "takes one of --check, --lower and --native"
		mode=$arg ;;
	x86_64 | arm64)
		ARCHS+=" $arg" ;;
	*)	usage "takes x86_64, arm64, --check, --lower or --native, not '$arg'" ;;
	esac
done
[ "$mode" != --native ] || [ -z "$ARCHS" ] || usage "measures this machine with --native, no other architecture"
ARCHS=${ARCHS:-x86_64 arm64}
need python3 gcc libc6-dev -- "counts and compares"
passed=0 failed=0

report()
{
	python3 "$SRC/report.py" "$@"
}

# The kernels: what guest_kernel calls them, and bench.json
KERNELS="stock=stock-6.1 plain=laf noid=laf-noid mainline=stock-6.12"

# count ARCH KIND RUN PROGRAM...: boot the kernel of that kind, which is IMAGE,
# and leave the figures of each program (arguments of bench, joined by '-') in
# $OUT/ARCH-KIND-PROGRAM.figures. What is there is whole.
count()
{
	local arch=$1 kind=$2 prog irqs cpu

	guest_dir "bench-$3" "$arch"
	shift 3
	guest_cc "$arch" "$GUEST_ROOT/bench" "$SRC/bench.c"
	guest_do set /proc/sys/kernel/sched_rt_runtime_us -1
	guest_do set /proc/sys/kernel/randomize_va_space 0
	guest_do set $THP/khugepaged/scan_sleep_millisecs 1000000000
	# no kernel thread in between
	guest_do set /proc/sys/vm/stat_interval 3600
	guest_do swap /dev/ram0
	for prog; do
		rm -f "$OUT/$arch-$kind-$prog.figures"
		guest_do run "$prog" "${BENCH_SECONDS:-600}" /bench "${prog//-/ }"
	done
	case $arch in
	x86_64)	cpu=$X86_COUNTED
		irqs=$(awk '$3 ~ /^asm_(sysvec_apic_timer|common)_interrupt$/ { printf ",irq=%s", $1 }' \
			"$BUILD/$KNAME/System.map") ;;
	arm64)	# the vectors for interrupts of the kernel and of 64-bit user space
		cpu="max,pauth=off"
		irqs=$(awk '$3 == "vectors" { print $1 }' "$BUILD/$KNAME/System.map")
		irqs=$(printf ',irq=%x,irq=%x' $((0x$irqs + 0x280)) $((0x$irqs + 0x480))) ;;
	esac
	ACCEL=(-accel "tcg,thread=multi" -cpu "$cpu")
	# What would be chosen by time, which an emulated CPU does not tell
	GUEST_APPEND="quiet nokaslr atomic_seqcount.sole=on"
	guest_boot "$arch" "${LAF_TIMEOUT:-900}" -plugin "$OUT/count.so,out=$RUN/counts$irqs" || return 1
	for prog; do
		grep -aE '^ bench( note)?: ' "$RUN/result" >&2 || :
		report join "$RUN/result" "$RUN/counts" "$prog" >"$OUT/figures.part" || return 1
		mv "$OUT/figures.part" "$OUT/$arch-$kind-$prog.figures"
	done
}

prepare()
{
	use_tree
	mkdir -p "$OUT"
	lock bench
	for arch in $ARCHS; do
		guest_qemu "$arch"
	done
	gcc -O2 -Wall -Wextra -shared -fPIC -o "$OUT/count.so" "$SRC/count.c" 2>"$LOG/cc.log" || {
		cat "$LOG/cc.log" >&2
		die "can't compile the plugin that counts"
	}
	# QEMU loads it when it can; a QEMU without plugins does not know the option
	"$QEMU" -help | grep -q '^-plugin' || die "$QEMU takes no plugins; install Debian's QEMU and run laf again"
}

# tests LINES: count a report's "ok" and "not ok" lines, and show them
tests()
{
	echo "$1"
	passed=$((passed + $(grep -c '^ok ' <<<"$1" || :)))
	failed=$((failed + $(grep -c '^not ok ' <<<"$1" || :)))
}

# figure FILE OPERATION KB COLUMN: 3 instructions, 4 locked instructions
figure()
{
	awk -v op="$2" -v kb="$3" -v c="$4" '$1 == op && $2 == kb { print $c }' "$OUT/$1.figures"
}

# planted: the same kernel with a loop and an atomic for each folio of a fault
# must be seen, whole and by the comparison with budgets
planted()
{
	local before after atomics loops

	PLANT=(CFLAGS_large_anon_folio.o="-include $SRC/planted.h")
	guest_kernel x86_64 plain
	PLANT=()
	count x86_64 planted planted count-64 || die "no figures of the planted kernel"
	before=$(figure x86_64-laf-count fault 64 3) after=$(figure x86_64-planted-count-64 fault 64 3)
	loops=$(awk -v a="$after" -v b="$before" 'BEGIN { d = a - b; print (d > 990 && d < 1010) }')
	result "$loops" "a loop of 1000 instructions a page planted for each 64 kB folio shows: $before, $after a page"
	before=$(figure x86_64-laf-count fault 64 4) after=$(figure x86_64-planted-count-64 fault 64 4)
	atomics=$(awk -v a="$after" -v b="$before" 'BEGIN { d = (a - b) * 16; print (d > 1.9 && d < 2.1) }')
	result "$atomics" "two atomics planted for each 64 kB folio show: $before, $after a page"
	report check x86_64 <(grep '^x86_64 fault 64 ' "$BUDGETS") \
		<(grep '^fault 64 ' "$OUT/x86_64-planted-count-64.figures") >"$OUT/planted" || :
	result "$(grep -c '^not ok.*: over its budget: .* instructions.*, .* locked' "$OUT/planted" || :)" \
		"the planted kernel is over the budget of fault 64 in both columns"
}

# same_twice ARCH: two boots have the same figures. What the kernel does by itself
# now and then, to its lists of free pages above all, can fall into the rounds of
# one: then a third boot decides about the figures that differ, here and where they are
# compared with their budgets.
same_twice()
{
	local line

	line=$(report same "$OUT/$1-first-count.figures" "$OUT/$1-laf-count.figures" || :)
	if [[ $line = not* ]]; then
		say "$1: ${line#not ok }; runs once more"
		count "$1" third "$1-third" count >&2 || die "no figures for $1; what stopped it stands above"
		line=$(report same "$OUT/$1-first-count.figures" "$OUT/$1-laf-count.figures" \
			"$OUT/$1-third-count.figures" || :)
	fi
	echo "$line"
}

# half_way: a benchmark that stops half-way leaves no figures
half_way()
{
	local rc=0

	guest_kernel x86_64 plain
	BENCH_SECONDS=2 count x86_64 half half count >"$OUT/half" 2>&1 || rc=1
	result "$([ $rc -eq 1 ] && [ ! -e "$OUT/x86_64-half-count.figures" ] &&
		grep -q 'did not get to its end' "$OUT/half" && echo 1)" \
		"a benchmark that is stopped half-way gives no figures: $(tail -n1 "$OUT/half")"
}

check()
{
	local arch boots

	prepare
	for arch in $ARCHS; do
		guest_qemu "$arch"
		guest_kernel "$arch" plain
		for run in first laf; do
			say "$arch: counts, run $run"
			count "$arch" $run "$arch-$run" known count || die "no figures for $arch; what stopped it stands above"
		done
		tests "$(report known "$OUT/$arch-laf-known.figures" || :)"
		rm -f "$OUT/$arch-third-count.figures"
		tests "$(same_twice "$arch")"
		boots=("$OUT/$arch"-{first,laf,third}-count.figures)
		[ -e "${boots[2]}" ] || unset "boots[2]"
		if [ "$mode" = --lower ]; then
			report lower "$arch" "$BUDGETS" "${boots[@]}" >"$OUT/budgets.part"
			cat "$OUT/budgets.part" >"$BUDGETS"
		fi
		tests "$(report check "$arch" "$BUDGETS" "${boots[@]}" || :)"
	done
	if [[ $ARCHS = *x86_64* ]]; then
		guest_qemu x86_64
		half_way
		planted
	fi
	counts $passed $failed 0
}

compare()
{
	local args=() arch pair kind name release cpus f commit

	need gnuplot-nox -- "draws the figures"
	prepare
	commit=$(git -C "$ROOT" describe --always --dirty 2>/dev/null || echo unknown)
	for arch in $ARCHS; do
		guest_qemu "$arch"
		for pair in $KERNELS; do
			kind=${pair%=*} name=${pair#*=}
			guest_kernel "$arch" "$kind"
			say "$arch, $name: counts"
			count "$arch" "$name" "$arch-$name" known count ||
				die "no figures for $name on $arch; what stopped it stands above"
			f=$(report known "$OUT/$arch-$name-known.figures") || die "$arch, $name: $f"
			release=$(sed -n 's/^@boot \([^ ]*\) .*/\1/p' "$RUN/result")
			args+=("figures=$arch:$name:$release:$OUT/$arch-$name-count.figures")
			for cpus in 2 4; do
				say "$arch, $name: $cpus CPUs on the same folios"
				GUEST_CPUS=$cpus count "$arch" "$name" "$arch-$name-$cpus" "contend-$cpus" ||
					die "no figures for $cpus CPUs, $name on $arch; what stopped it stands above"
				args+=("contend=$arch:$name:$cpus:$OUT/$arch-$name-contend-$cpus.figures")
			done
		done
	done
	report json "$OUT/bench.json" "commit=$commit" \
		"compiler=$(gcc --version | head -n1)" "qemu=$("$QEMU" --version | head -n1)" "${args[@]}"
	for arch in $ARCHS; do
		report draw "$OUT/bench.json" "$arch" "$OUT/bench-$arch"
	done
	report table "$OUT/bench.json"
	echo "$OUT/bench.json"
	ls "$OUT"/bench-*.svg "$OUT"/bench-*.png
}

native()
{
	mkdir -p "$OUT"
	lock bench
	[ -d $THP/hugepages-64kB ] || [ -d $THP/hugepages-128kB ] ||
		die "the kernel that runs here, $(uname -r), has no large anonymous folios; boot one that has CONFIG_LARGE_ANON_FOLIO"
	[ "$(id -u)" -eq 0 ] || die "sets folio sizes in $THP while it runs: run it as root"
	gcc -static -O2 -Wall -Wextra -o "$OUT/bench" "$SRC/bench.c" 2>"$LOG/cc.log" || {
		cat "$LOG/cc.log" >&2
		die "can't compile the benchmark"
	}
	logged "$OUT/native.log" "measures on this machine" "$OUT/bench" native ||
		die "$(sed -n '0,/^bench: /s///p' "$OUT/native.log" | grep . || echo "the benchmark stopped half-way, see $OUT/native.log")"
	! grep '^bench note: ' "$OUT/native.log" >&2 || :
	report native "$OUT/native.log" "$OUT/native.json" "$(uname -r)"
	echo "$OUT/native.json"
}

case $mode in
--native)		native ;;
--check | --lower)	check ;;
*)			compare ;;
esac
