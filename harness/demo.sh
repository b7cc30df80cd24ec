#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Boots x86-64 and shows what large folios do for two unmodified programs of
# Debian's: the C compiler proper, and sort.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=harness/lib-guest.sh
. "$(dirname "$0")/lib-guest.sh"

[ $# -eq 0 ] || usage "takes no argument, got '$1'"
need gcc coreutils -- "laf demo runs these programs"
THP=/sys/kernel/mm/transparent_hugepage
SETTINGS="never default 64kB"

show_line()
{
	case $1 in
	'@boot '*)	say "the guest is up: Linux ${1#@boot }" ;;
	'@start '*)	say "runs ${1#@start } ..." ;;
	'@end '*' exit 0')	;;
	'@end '*)	say "${1#@end }" ;;
	esac
}

# table RESULT: the figures, and whether 64 kB saves what it must
table()
{
	awk '
	function folios(run,   i, kb, s) {
		for (i = 1; i <= sizes[run]; i++) {
			kb = size[run, i]
			s = s (s ? ", " : "") n[run, kb] " of " (kb < 1024 ? kb "K" : kb / 1024 "M")
		}
		return s ? s : "none"
	}
	function rest(run) { return f[run, "anon_faults"] - f[run, "cut_faults"] - f[run, "read_faults"] }
	/^@start / { run = $2 }
	$1 == "folios" && NF == 3 { size[run, ++sizes[run]] = $2; n[run, $2] = $3; next }
	/^ [a-z_]+ [0-9]+$/ { f[run, $1] = $2 }
	END {
		printf "%-8s %-15s %12s %6s %11s %8s %6s %9s  %s\n", "program", "sizes", "anon faults",
		       "ratio", "file faults", "'"$UNIT"'", "ratio", "peak RSS", "folios allocated by size"
		np = split("cc1 sort", programs)
		ns = split("'"$SETTINGS"'", settings)
		for (p = 1; p <= np; p++) {
			base = programs[p] "/never"
			for (s = 1; s <= ns; s++) {
				run = programs[p] "/" settings[s]
				if (!f[run, "anon_faults"] || !f[run, "microseconds"]) {
					print "there are no figures of " run > "/dev/stderr"
					exit 3
				}
				title = settings[s] == "never" ? "all never" : settings[s] == "64kB" ? "64 kB only" : settings[s]
				printf "%-8s %-15s %12d %6.3f %11d %8.2f %6.3f %6d MB  %s\n",
				       s == 1 ? programs[p] : "", title,
				       f[run, "anon_faults"], f[run, "anon_faults"] / f[base, "anon_faults"],
				       f[run, "file_faults"], f[run, "microseconds"] / 1e6,
				       f[run, "microseconds"] / f[base, "microseconds"],
				       f[run, "peak_kb"] / 1024, folios(run)
			}
			# At most a sixth of the faults; what no folio can save is told.
			run = programs[p] "/64kB"
			if (f[run, "anon_faults"] * 6 <= f[base, "anon_faults"])
				continue
			notes = notes sprintf("%s with 64 kB takes more than a sixth of the faults: %d of its %d are single pages at the edge\n" \
				"of a mapping (a heap grows by 132 kB each time), %d are in blocks that it read before it wrote to them.\n",
				programs[p], f[run, "cut_faults"], f[run, "anon_faults"], f[run, "read_faults"])
			if (rest(run) * 6 > rest(base))
				bad = bad programs[p] ": elsewhere too it takes " rest(run) " faults with 64 kB, more than a sixth of " rest(base) "\n"
		}
		printf "%s", notes
		if (bad) {
			printf "%s", bad > "/dev/stderr"
			exit 4
		}
	}' "$1"
}

use_tree
guest_qemu x86_64
guest_kernel x86_64 plain
lock "$KNAME"
CC1=$(gcc -print-prog-name=cc1)
[ -x "$CC1" ] || die "gcc has no cc1"
# A large C file: the kernel's page fault code with all its headers
kmake "$KNAME" ARCH=x86_64 mm/memory.i

guest_accel x86_64
UNIT=seconds
if [ "${ACCEL[1]}" != kvm ]; then
	# Time says nothing when QEMU translates. It counts instructions
	# instead: each is a nanosecond of the guest's time.
	UNIT=Ginstr
	ACCEL=(-accel tcg -cpu "$X86_COUNTED" -icount "shift=0,sleep=off")
	GUEST_CPUS=1
fi
guest_dir demo x86_64
guest_cc x86_64 "$GUEST_ROOT/measure" "$ROOT/harness/demo.c"
guest_program "$(readlink -f "$CC1")"
guest_program /usr/bin/sort
mkdir -p "$GUEST_ROOT/input"
cp "$BUILD/$KNAME/mm/memory.i" "$GUEST_ROOT/input/memory.i"
awk 'BEGIN { x = 1; for (i = 0; i < 600000; i++) { x = (x * 1103515245 + 12345) % 2147483648; printf "%d %d\n", x, i } }' \
	>"$GUEST_ROOT/input/lines"
cc1=("$(readlink -f "$CC1")" -fpreprocessed -quiet -O1 -std=gnu11 -mcmodel=kernel -fno-PIE -mno-sse -mno-80387 -w
	/input/memory.i -o /tmp/out.s)
sort=(/usr/bin/sort --parallel=1 -o /tmp/sorted /input/lines)

# The defaults come first, as long as they are what the kernel came up with.
guest_do set $THP/enabled always
if [ "$UNIT" = seconds ]; then
	# the first run reads the program in
	guest_do run warm-up 300 "${cc1[@]}"
	guest_do run warm-up 300 "${sort[@]}"
fi
for setting in default never 64kB; do
	[ "$setting" = default ] || guest_do set "$THP/hugepages-*kB/enabled" never
	[ "$setting" != 64kB ] || guest_do set $THP/hugepages-64kB/enabled always
	guest_do run "cc1/$setting" 300 /measure "${cc1[@]}"
	guest_do run "sort/$setting" 300 /measure "${sort[@]}"
done
GUEST_APPEND=quiet
GUEST_SHOW=show_line guest_boot x86_64 "${LAF_TIMEOUT:-900}" ||
	die "the demo did not get through; what stopped it stands above"
! grep -a '^@end' "$RUN/result" | grep -v 'exit 0$' >&2 ||
	die "a program failed in the guest; its output is in $RUN/result"
echo
echo "Linux $(sed -n 's/^@boot \([^ ]*\).*/\1/p' "$RUN/result"), transparent_hugepage/enabled = always, hugepages-*kB/enabled as in 'sizes':"
rc=0
table "$RUN/result" >"$RUN/table" || rc=$?
cat "$RUN/table"
[ $rc -eq 0 ] || die "the figures are not what they should be, see above"
