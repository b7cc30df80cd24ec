#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The atomic sequence count outside of the kernel: its model, by Spin, and its
# header under ThreadSanitizer, with more threads than CPUs.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"

[ $# -eq 0 ] || usage "takes no argument, got '$1'"
need spin gcc make libc6-dev -- "checks the model and builds the threads"
use_tree
SRC=$TREE/tools/testing/atomic_seqcount
OUT=$BUILD/seqcount
SECONDS_OF_STRESS=60
passed=0 failed=0
mkdir -p "$OUT"
lock seqcount

# model FILE ARG...: look at all states; sets errors and states
model()
{
	local file=$1

	shift
	rm -rf "$OUT/model"
	mkdir -p "$OUT/model"
	cp "$SRC"/*.pml "$OUT/model"
	(cd "$OUT/model" && spin "$@" -a "$file" && gcc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c &&
		timeout 300 ./pan -m1000000) >"$LOG/seqcount-model.log" 2>&1 ||
		die "can't check $file; see $LOG/seqcount-model.log"
	errors=$(sed -nE 's/.*errors: ([0-9]+).*/\1/p' "$LOG/seqcount-model.log")
	states=$(sed -nE 's/ *([0-9]+) states, stored.*/\1/p' "$LOG/seqcount-model.log")
}

for args in "-DWRITERS=2 -DSECTIONS=2" "-DWRITERS=3 -DSECTIONS=1"; do
	# shellcheck disable=SC2086 # two words
	model atomic_seqcount.pml $args
	result "$([ "$errors" = 0 ] && ! grep -q 'max search depth too small' "$LOG/seqcount-model.log" &&
		echo 1)" "model, $args: $states states, $errors errors"
done
for file in "$SRC"/broken_*.pml; do
	model "$(basename "$file")"
	result "$([ "${errors:-0}" -gt 0 ] && grep -q 'assertion violated' "$LOG/seqcount-model.log" && echo 1)" \
		"$(basename "$file") is found to be broken"
done

rm -rf "$OUT/tree"
mkdir -p "$OUT/tree/tools/testing" "$OUT/tree/include/linux"
cp -r "$SRC" "$OUT/tree/tools/testing"
cp "$TREE/include/linux/atomic_seqcount.h" "$OUT/tree/include/linux"
show make -C "$SRC"
make -s -C "$OUT/tree/tools/testing/atomic_seqcount" >"$LOG/seqcount.log" 2>&1 || {
	cat "$LOG/seqcount.log" >&2
	die "the header does not build in user space"
}
say "threads for $SECONDS_OF_STRESS seconds"
# stress PROGRAM SECONDS WHAT
stress()
{
	local log=$LOG/seqcount-$1.log rc=0

	"$OUT/tree/tools/testing/atomic_seqcount/$1" "$2" >"$log" 2>&1 || rc=$?
	result "$([ $rc -eq 0 ] && ! grep -q 'WARNING: ThreadSanitizer' "$log" && echo 1)" "$3: $(tail -n1 "$log")"
}

stress stress $SECONDS_OF_STRESS threads
stress stress_rt $((SECONDS_OF_STRESS / 6)) "threads, as with PREEMPT_RT"

counts $passed $failed 0
