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
minutes=10 seed=1 resume='' names=() publish=''

[ "$*" != --publish ] || {
	publish=1
	shift
}
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
	seconds=300 seed=1 resume=''
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
	local name=$1 arch=$2 kind=$3 cpus=$4 first third bad='' bus=pci start races refused

	guest_qemu "$arch"
	build_tests "$arch"
	guest_dir "torture-$name" "$arch"
	mkdir -p "$GUEST_ROOT/tests"
	cp "$TESTS/$FOLDER/torture" "$GUEST_ROOT/tests/"
	# Others may be at work, with other kernels and the same
	unlock "selftest-$arch"
	# Lines of these that run are counted, and not of others of the same name
	# shellcheck disable=SC2016 # $ for make
	mapfile -t PLANT < <(counted_files |
		sed 's|\(.*\)/\(.*\)\.c$|GCOV_PROFILE_\2.o=$(if $(filter \1,$(obj)),y)|')
	guest_kernel "$arch" "$kind"
	# Nor does another one change it: the tree stays as it is
	unlock "$KNAME"
	guest_accel "$arch"
	first=$(first_seed "$name")
	third=$((seconds / 3))
	# Both ways of writing under an atomic_seqcount, and what the sizes are at boot:
	# as told, or the defaults when that is refused. They are soon replaced.
	GUEST_APPEND="no_timer_check movablecore=40% page_poison=1"
	if [ "$cpus" = 2 ]; then
		# Swap that does not rotate is given to huge pages in whole
		guest_do set /sys/block/vda/queue/rotational 0
		guest_do swap /dev/vda
		GUEST_APPEND+=" atomic_seqcount.sole=on thp_anon=$THP_ANON"
	else
		# Swap that is read at once, without the swap cache
		guest_do set /sys/block/zram0/disksize 256M
		guest_do swap /dev/zram0
		GUEST_APPEND+=" atomic_seqcount.sole=off"
		for refused in 16K:sometimes 12K:always 64K-16K:never ''; do
			GUEST_APPEND+=" thp_anon=$refused"
		done
	fi
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
	coverage "$name-$first" "$KNAME"
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

# counted_files: those, and the ones with functions that patches change
counted_files()
{
	new_files
	git -C "$TREE" diff --diff-filter=M --name-only laf-base -- '*.c'
}

# What ran of a file, as it is now, is in build/torture-coverage/FILE-HASH/RUN-SEED
coverage_dir()
{
	echo "$BUILD/torture-coverage/${1//\//-}-$(git -C "$TREE" hash-object "$1" | cut -c1-12)"
}

# coverage NAME KNAME: keep which lines of these have run on the kernel KNAME, as NAME
coverage()
{
	local f name data dir=$RUN/gcov out

	rm -rf "$dir"
	mkdir -p "$dir"
	# What the last program said counts for all
	awk -v dir="$dir" '
		/^@start/ { delete hex }
		/^ # gcda / { hex[$3] = hex[$3] $4 }
		END {
			for (f in hex) {
				name = f
				gsub("/", "-", name)
				print hex[f] >(dir "/" name)
			}
		}' "$RUN/result"
	while read -r f; do
		name=${f%.c}
		data=$(find "$dir" -name "*-$2-${name//\//-}.gcda")
		[ -s "$data" ] || continue
		perl -0777 -ne 's/\s//g; print pack "H*", $_' "$data" >"$dir/it.gcda"
		cp "$BUILD/$2/${f%.c}.gcno" "$dir/it.gcno"
		out=$(coverage_dir "$f")
		mkdir -p "$out"
		gcov --json-format --stdout "$dir/it.gcda" 2>/dev/null |
			perl "$ROOT/harness/coverage.pl" lines "$TREE" "$f" >"$out/$1"
	done < <(counted_files)
}

# covered: how much all runs together have reached
covered()
{
	local f out dirs=() others=()

	while read -r f; do
		out=$(coverage_dir "$f")
		[ -d "$out" ] && dirs+=("$f=$out") || others+=("$f")
	done < <(counted_files)
	[ ${#dirs[@]} -gt 0 ] || return 0
	perl "$ROOT/harness/coverage.pl" sum "$TREE" "$ROOT/harness/torture.reasons" \
		"$BUILD/torture-coverage/left" "${dirs[@]}"
	echo "# changed, but no kernel that counted them has run: ${others[*]:-none}"
}

# published DOCUMENT: the record as a table, with the rows of commits that it lacks and
# DOCUMENT has from other machines, and what was reached
published()
{
	local rule="============ ==== ============= ======= ======== ====== ==========="

	printf '%s\n' "$rule" "Run          CPUs Commit        Minutes Episodes Failed From seeds" "$rule"
	awk -v runs="$RUNS" '
		FILENAME == ARGV[1] {
			if (/^\.\. torture: /)
				within = $3 == "table"
			else if (within && $2 ~ /^[0-9]+$/ && $4 ~ /^[0-9]+$/) {
				row[$1 " " $3] = $0
				commits[$1] = commits[$1] " " $3
			}
			next
		}
		{
			key = $1 " " $5
			if (!(key in row))
				commits[$1] = commits[$1] " " $5
			row[key] = ""
		}
		$6 == "failed" { failed[key]++ }
		$6 == "passed" {
			minutes[key] += $2
			episodes[key] += $4 - $3
			first[key] = first[key] (first[key] == "" ? "" : ", ") $3
		}
		END {
			n = split(runs, line, "\n")
			for (i = 1; i <= n; i++) {
				split(line[i], f, /\t+/)
				m = split(commits[f[1]], commit, " ")
				for (j = 1; j <= m; j++) {
					key = f[1] " " commit[j]
					if (row[key] == "")
						row[key] = sprintf("%-12s %-4s %-13s %-7d %-8d %-6d %s", f[1],
								   f[4], commit[j], minutes[key], episodes[key],
								   failed[key], first[key] == "" ? "--" : first[key])
					print row[key]
				}
			}
		}' "$1" "$RECORD"
	printf '%s\n\nLines that these and shorter runs have reached::\n\n' "$rule"
	covered | sed 's/^# /  /'
	echo
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
# And nobody is told of by whom but for the accessed and dirty bit of x86, 0x60: who marks
# an entry of a page table is the CPU, or arch/x86/mm, which KCSAN is not compiled into.
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
			my $marks = $report =~ /unknown origin.*^\S* *\S* value changed: (\S+) -> (\S+)$/ms &&
				    !((hex($1) ^ hex $2) & ~0x60);
			$mine && !$head && !$marks && !$stock{$who} ? $first : $report;
		}gems' "$RUN/ours"
}

use_tree
if [ -n "$publish" ]; then
	[ -s "$RECORD" ] || die "there is no $RECORD; run './laf torture' first"
	(
		echo
		published "$ROOT/Documentation/mm/large_anon_folio.rst"
	) >"$BUILD/torture.rst"
	publish torture "$BUILD/torture.rst"
	exit 0
fi
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
covered
counts $passed $failed 0
