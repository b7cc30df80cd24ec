#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Boots kernels that check themselves and tortures them: episodes of the program
# torture of the kselftest folder, with faults injected and without. A failure is
# told with the seed that repeats it.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=harness/lib-guest.sh
. "$(dirname "$0")/lib-guest.sh"
# shellcheck source=harness/lib-selftest.sh
. "$(dirname "$0")/lib-selftest.sh"

# Name of a run, architecture, kind of kernel, CPUs
RUNS="
kasan		x86_64	kasan		2
kasan4		x86_64	kasan		4
kcsan		x86_64	kcsan		2
kcsan4		x86_64	kcsan		4
production	x86_64	production	2
production4	x86_64	production	4
arm64		arm64	production	2
"
# Stock's own, where a changed function is one side: whether the page of a migration
# entry is anonymous; whether another CPU has something to drain
STOCK_RACES="
move_to_new_folio / smaps_account
munlock_page / need_mlock_page_drain
"
# Seeds of episodes in which allocations fail
FAULTS_FROM=1000000
RECORD=$BUILD/torture.record
minutes=10 seed=1 resume='' names=()

while [ $# -gt 0 ]; do
	case $1 in
	--minutes | --seed)
		[[ ${2:-} =~ ^[1-9][0-9]{0,5}$ ]] || usage "$1 takes a number from 1 to 999999, not '${2:-}'"
		[ "$1" = --seed ] && seed=$2 || minutes=$2
		shift ;;
	--resume)	resume=1 ;;
	--short)	short=1 ;;
	-*)	usage "has no option '$1'" ;;
	*)	awk -v n="$1" '$1 == n { found = 1 } END { exit !found }' <<<"$RUNS" ||
			usage "has no run '$1'"
		names+=("$1") ;;
	esac
	shift
done
seconds=$((minutes * 60))
# One kernel for 'laf check', always the same
if [ -n "${short:-}" ]; then
	[ ${#names[@]} -gt 0 ] || names=(kasan)
	seconds=150 seed=1 resume=''
fi

passed=0 failed=0

show_line()
{
	case $1 in
	'@start '*)	say "$name: ${1#@start }" ;;
	' # gcda '*)	;;
	' # '*)	say "$name: ${1# # }" ;;
	esac
}

# first_seed NAME: where a run begins
first_seed()
{
	local next

	next=$([ -z "$resume" ] || awk -v n="$1" '$1 == n { s = $4 } END { print s }' "$RECORD" 2>/dev/null)
	echo "${next:-$seed}"
}

# record NAME FIRST SECONDS RESULT: a line of name, minutes, first seed, next seed,
# commit, result
record()
{
	local next commit

	next=$(sed -n 's/.*next seed \([0-9]*\).*/\1/p' "$RUN/result" | head -n1)
	commit=$(git -C "$ROOT" rev-parse --short HEAD 2>/dev/null || echo none)
	[ -z "$(git -C "$ROOT" status --porcelain 2>/dev/null)" ] || commit+=+
	printf '%s %d.%02d %s %s %s %s\n' "$1" $(($3 / 60)) $(($3 % 60 * 100 / 60)) "$2" \
		"${next:-$2}" "$commit" "$4" >>"$RECORD"
}

# one NAME ARCH KIND CPUS
one()
{
	local name=$1 arch=$2 kind=$3 cpus=$4 first third bad='' bus=pci start races

	guest_qemu "$arch"
	build_tests "$arch"
	guest_dir "torture-$name" "$arch"
	mkdir -p "$GUEST_ROOT/tests"
	cp "$TESTS/$FOLDER/torture" "$GUEST_ROOT/tests/"
	# Another run may be at work on another kernel
	unlock "selftest-$arch"
	# Lines of these that run are counted
	mapfile -t PLANT < <(new_files | sed 's,.*/\(.*\)\.c$,GCOV_PROFILE_\1.o=y,')
	guest_kernel "$arch" "$kind"
	guest_accel "$arch"
	first=$(first_seed "$name")
	third=$((seconds / 3))
	# Swap that does not rotate is given to huge pages in whole
	guest_do set /sys/block/vda/queue/rotational 0
	guest_do swap /dev/vda
	guest_do run torture $((seconds * 2 + 600)) /tests/torture -d /dev/vdb -s "$first" \
		-t $((seconds - third))
	# Allocations fail in the last third, and in its second half swap does
	guest_do run faults $((seconds * 2 + 600)) /tests/torture -d /dev/vdb -f \
		-s $((first + FAULTS_FROM)) -t $(((third + 1) / 2))
	guest_do run io $((seconds * 2 + 600)) /tests/torture -d /dev/vdb -f -i \
		-s $((first + FAULTS_FROM * 2)) -t $(((third + 1) / 2))
	[ "$arch" = x86_64 ] || bus=device
	truncate -s 512M "$RUN/direct" || die "can't write to $RUN"
	start=$SECONDS
	guest_nodes "$cpus"
	GUEST_SHOW=show_line GUEST_FILTER=cat
	# Both ways of writing under an atomic_seqcount; sizes set at boot are replaced soon
	GUEST_APPEND="no_timer_check movablecore=40% page_poison=1"
	GUEST_APPEND+=" atomic_seqcount.sole=$([ "$cpus" = 2 ] && echo on || echo off) thp_anon=$THP_ANON"
	if [ "$kind" = kcsan ]; then
		our_functions "$KNAME" | sort -u >"$RUN/ours"
		[ -s "$RUN/ours" ] || die "found no function of the feature"
		GUEST_FILTER=kcsan_ours
	fi
	guest_boot "$arch" $((seconds * 3 + 1200)) "${NODES[@]}" \
		-drive "if=none,id=direct,format=raw,cache=unsafe,file=$RUN/direct" \
		-device "virtio-blk-$bus,drive=direct" || bad=1
	rm -f "$RUN/direct"
	guest_tap "$RUN/result" "$name" >"$RUN/summary"
	! grep -q '^not ok' "$RUN/summary" || bad=1
	grep -v "gcda" "$RUN/summary" || :
	if [ "$kind" = kcsan ]; then
		races=$(grep -ac 'BUG: KCSAN: ' "$RUN/console" || :)
		echo "# data races: $races reported, $(tr -d '\r' <"$RUN/console" | kcsan_ours | grep -ac 'BUG: KCSAN: ' || :) with one of $(wc -l <"$RUN/ours") functions that are ours or changed"
		[ "$races" -gt 0 ] || {
			echo "# not even one of those that stock has: KCSAN does not see races here"
			bad=1
		}
	fi
	coverage "$name" "$KNAME"
	result "$([ -n "$bad" ] || echo 1)" "torture $name: $seconds s from seed $first, $((SECONDS - start)) s in all"
	[ -z "$bad" ] ||
		echo "# again: ./laf torture --seed $(failing_seed "$first") --minutes $(((seconds + 59) / 60)) $name"
	record "$name" "$first" "$seconds" "$([ -n "$bad" ] && echo failed || echo passed)"
}

# failing_seed FIRST: of the first report that names one; else where all began
failing_seed()
{
	local seed

	seed=$(sed -n 's/.*seed \([0-9]*\), process.*/\1/p' "$RUN/result" | head -n1)
	seed=${seed:-$1}
	echo $((seed % FAULTS_FROM))
}

# new_files: the feature's own C files
new_files()
{
	git -C "$TREE" diff --diff-filter=A --name-only laf-base -- 'mm/*.c'
}

# What has not run of a file, as it is now, is in build/torture-coverage/FILE-HASH/RUN
coverage_dir()
{
	echo "$BUILD/torture-coverage/$1-$(git -C "$TREE" hash-object "mm/$1.c" | cut -c1-12)"
}

# coverage NAME KNAME: for each of them, how many of its lines have run on the kernel
# KNAME
coverage()
{
	local f dir=$RUN/gcov out

	mkdir -p "$dir"
	while read -r f; do
		f=$(basename "$f" .c)
		# What the last program said counts for all
		awk -v mark=" # gcda $f.gcda " '
			/^@start/ { hex = "" }
			index($0, mark) == 1 { hex = hex substr($0, length(mark) + 1) }
			END { printf "%s", hex }' "$RUN/result" |
			perl -0777 -ne 'print pack "H*", $_' >"$dir/$f.gcda"
		[ -s "$dir/$f.gcda" ] || continue
		cp "$BUILD/$2/mm/$f.gcno" "$dir/"
		(cd "$BUILD/$2" && gcov -t -o "$dir" "mm/$f.c") >"$dir/$f" 2>/dev/null
		out=$(coverage_dir "$f")
		mkdir -p "$out"
		: >"$out/$1"
		awk -v file="mm/$f.c" -v out="$out" -v name="$1" '
			/:Source:/ { mine = index($0, file); next }
			{ mark = $1; sub(/^[^:]*:/, ""); line = $0; sub(/:.*/, "", line); sub(/^ *[0-9]+:[ \t]*/, "") }
			mine && mark ~ /#####/ { printf "%d\t%s\n", line, $0 >(out "/" name); left++ }
			mine && mark ~ /[0-9]/ { ran++ }
			END {
				n = ran + left
				if (!n)
					exit
				printf "# %s: %d of %d lines ran, %.1f %%\n", file, ran, n, 100 * ran / n
				print n >(out "/lines")
			}' "$dir/$f"
	done < <(new_files)
}

# not_covered: the lines of new files that no run has reached so far: file, line,
# text, and the reason in harness/torture.reasons
not_covered()
{
	local f out runs

	while read -r f; do
		f=$(basename "$f" .c)
		out=$(coverage_dir "$f")
		[ -f "$out/lines" ] || continue
		runs=("$out"/*)
		sort "${runs[@]/#*\/lines/\/dev\/null}" | uniq -c |
			awk -v n=$((${#runs[@]} - 1)) -v f="$f.c" '
				$1 == n { sub(/^ *[0-9]+ /, ""); print f "\t" $0 }'
	done < <(new_files) | sort -t$'\t' -k1,1 -k2,2n |
		awk -F'\t' '
			NR == FNR { if (!/^#/) why[$1 FS $2] = $3; next }
			{ r = why[$1 FS $3]; if (!r) r = "no reason is given"; print $0 FS r }
			' "$ROOT/harness/torture.reasons" -
}

# covered: how much all runs together have reached
covered()
{
	local f out n left

	while read -r f; do
		f=$(basename "$f" .c)
		out=$(coverage_dir "$f")
		[ -f "$out/lines" ] || continue
		n=$(cat "$out/lines")
		left=$(grep -c "^$f\.c	" "$LEFT" || :)
		echo "# mm/$f.c: $((n - left)) of $n lines, $((1000 * (n - left) / n / 10)).$((1000 * (n - left) / n % 10)) %"
	done < <(new_files)
}

# our_functions KNAME: functions of the new files, and those that patches change
our_functions()
{
	local files f

	mapfile -t files < <(new_files | sed 's/\.c$/.o/')
	for f in "${files[@]}"; do
		[ ! -f "$BUILD/$1/$f" ] || nm "$BUILD/$1/$f" | awk '$2 ~ /^[tT]$/ { sub(/\..*/, "", $3); print $3 }'
	done
	git -C "$TREE" diff -U0 --diff-filter=M laf-base -- 'mm/*.c' 'kernel/*.c' 'fs/*.c' |
		sed -nE -e 's/^@@ .* @@ .*\b([a-z_][a-z0-9_]*)\(.*/\1/p' \
			-e 's/^\+[a-z][a-z_ ].*[ *]([a-z_][a-z0-9_]*)\(.*/\1/p'
}

# kcsan_ours: the console without the headlines of data races that are not ours. That
# is those of which neither side is, STOCK_RACES, and, in functions that are only
# changed: who asks for a page's folio reads compound_head, the word that lru.next is in
# another one (bit 0 tells), while that page moves between lists. All of 6.1 does so.
kcsan_ours()
{
	STOCK_RACES=$STOCK_RACES perl -0777 -pe '
		BEGIN {
			open my $f, "<", shift or die;
			%ours = map { $_ => 1 } split /\n/, <$f>;
			%stock = map { $_ => 1 } split /\n/, $ENV{STOCK_RACES};
		}
		s{^[^\n]*BUG: KCSAN: data-race in ([^\n]*)\n(.*?Reported by Kernel Concurrency)}{
			my ($first, $who, $report) = ($&, $1, $2);
			my $mine = grep { $ours{s/[.+].*//r} } split " / ", $who;
			my $head = $report =~ /read \(marked\) to 0xffffea[0-9a-f]*[048c]8 of 8 bytes/;
			$mine && !$head && !$stock{$who} ? $first : $report;
		}gems' "$RUN/ours"
}

use_tree
while read -r name arch kind cpus; do
	[ -n "$name" ] || continue
	[ ${#names[@]} -eq 0 ] || [[ " ${names[*]} " = *" $name "* ]] || continue
	one "$name" "$arch" "$kind" "$cpus"
done <<<"$RUNS"
if [ -f "$RECORD" ]; then
	echo "# minutes that passed in all, by run (build/torture.record):"
	awk '$6 == "passed" { m[$1] += $2 } END { for (n in m) printf "#   %s %.0f\n", n, m[n] }' \
		"$RECORD" | sort
fi
LEFT=$BUILD/torture-coverage/left
not_covered >"$LEFT"
if [ -s "$LEFT" ]; then
	echo "# lines of new files that any run so far has reached:"
	covered
	grep 'no reason is given$' "$LEFT" | awk -F'\t' '{ print "#   not " $1 ":" $2 ": " $3 }' || :
fi
counts $passed $failed 0
