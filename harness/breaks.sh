#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Breaks the feature on purpose, one mistake at a time, and demands that the KUnit
# suites notice, under User-mode Linux.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"

[ $# -eq 0 ] || usage "takes no argument, got '$1'"

PLANTS=$ROOT/harness/breaks/plants
OUT=$BUILD/breaks
FARM=$OUT/tree

need python3 git -- "runs kunit.py"
use_tree
kvars um
lock breaks
passed=0 failed=0

# The tree once more, as hard links: what is changed there is another file, and
# build/tree stays as it is
mkdir -p "$OUT"
rm -rf "$FARM"
mkdir "$FARM"
cp -al "$TREE"/* "$FARM" || die "can't link build/tree into $OUT; is the disk full?"

# whole FILE: as it is in build/tree, but newer than an object made of it when it was
# broken, now or in an earlier run
whole()
{
	rm -f "$FARM/$1"
	cp "$TREE/$1" "$FARM/$1"
	made_anew "$1"
}

# made_anew FILE: whatever the clock says, which may have been set back meanwhile
made_anew()
{
	rm -f "$OUT/um/${1%.c}.o"
}

while read -r _ file; do
	whole "$file"
done < <(sed -n 's/^# //p' "$PLANTS")

# suites WHAT: run them. 0: all passed. 1: some did not. 2: there is no result.
suites()
{
	local said=$OUT/um/test.log rc=0

	rm -f "$said"
	(cd "$FARM" && logged "$LOG/breaks.log" "$1" python3 tools/testing/kunit/kunit.py run \
		--kunitconfig=lib/kunit-mm --build_dir="$OUT/um" --jobs="$JOBS" --timeout=180) || rc=1
	grep -aq '^ *ok ' "$said" 2>/dev/null || return 2
	# The first to notice; whoever dies of it says so in another way
	noticed=$(sed -nE 's/^ *not ok [0-9]+ -? ?([a-z0-9_]+).*/\1/p; s/^.*(Kernel panic).*/\1/p' "$said" |
		head -n 3 | paste -sd ' ')
	return $rc
}

rc=0
suites "nothing broken" || rc=$?
if [ $rc -ne 0 ]; then
	first_error "$LOG/breaks.log"
	die "the suites do not pass as they are; run './laf kunit um'"
fi
result 1 "nothing broken: all suites pass"
n=0
while read -r name file; do
	n=$((n + 1)) rc=0
	rm "$FARM/$file"
	if why=$(perl -w "$ROOT/harness/plant.pl" "$PLANTS" "$n" "$TREE/$file" "$FARM/$file"); then
		made_anew "$file"
		suites "$name" || rc=$?
		case $rc in
		0)	why="no suite noticed" ;;
		1)	why="noticed by ${noticed:-a run that stopped}" ;;
		2)	why="there is no result: $(first_error "$LOG/breaks.log" 2>&1 | head -n1)" ;;
		esac
	fi
	result "$([ $rc -eq 1 ] && echo 1)" "$name in $file: $why"
	whole "$file"
done < <(sed -n 's/^# //p' "$PLANTS")

counts $passed $failed 0
