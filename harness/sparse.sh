#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# sparse over each C file that the feature touches: nothing that stock does
# not have.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"

[ $# -eq 0 ] || usage "takes no argument, got '$1'"
need sparse git -- "checks the sources"
kvars x86_64
use_tree
use_stock

mapfile -t FILES < <(touched_sources x86)
[ ${#FILES[@]} -gt 0 ] || die "the series touches no C file"

# warnings NAME FILE...: build/NAME/warnings/FILE holds what sparse says about
# it, without places that move with each change
warnings()
{
	local name=$1 dir=$BUILD/$1/warnings

	shift
	rm -rf "$dir"
	[ $# -gt 0 ] || return 0
	# Compiled first, so that sparse alone is left for the second run; one
	# job then, because its output must not mix.
	kmake "$name" "${KVARS[@]}" "${@/%.c/.o}"
	JOBS=1 kmake "$name" "${KVARS[@]}" C=2 "${@/%.c/.o}"
	sed -e "s,${KSRC:-$TREE}/,,g" -e "s,\.\./$(basename "${KSRC:-$TREE}")/,,g" "$LOG/$name.log" |
		awk -v dir="$dir" '
	$1 == "CHECK" {
		file = dir "/" $2
		path = file; sub("/[^/]*$", "", path); system("mkdir -p " path)
		printf "" >file
		next
	}
	$1 ~ /^[A-Z]+$/ { next }
	file && /: (warning|error): / {
		gsub(/:[0-9]+(:[0-9]+)?/, "")
		print >file
	}'
}

passed=0 failed=0
CONFIG=$ROOT/harness/config
kconfig sparse "${KVARS[@]}" -- defconfig "$CONFIG"/{common,x86_64,on}.config
warnings sparse "${FILES[@]}"
OLD=()
for f in "${FILES[@]}"; do
	[ ! -f "$STOCK/$f" ] || OLD+=("$f")
done
KSRC=$STOCK kconfig sparse-stock "${KVARS[@]}" -- defconfig "$CONFIG"/{common,x86_64}.config
KSRC=$STOCK warnings sparse-stock "${OLD[@]}"

for f in "${FILES[@]}"; do
	now=$BUILD/sparse/warnings/$f
	was=$BUILD/sparse-stock/warnings/$f
	if [ ! -f "$now" ]; then
		echo "not ok $f: sparse did not see it"
		failed=$((failed + 1))
		continue
	fi
	[ -f "$was" ] || was=/dev/null
	new=$(comm -23 <(sort "$now") <(sort "$was"))
	if [ -n "$new" ]; then
		echo "not ok $f"
		printf '#   %s\n' "${new//$'\n'/$'\n'#   }"
		failed=$((failed + 1))
	else
		echo "ok $f"
		passed=$((passed + 1))
	fi
done
# Types that only sparse tells apart.
rm -rf "$BUILD/mistakes"
mkdir -p "$BUILD/mistakes"
cp "$ROOT/harness/sparse/mistakes.c" "$BUILD/mistakes"
echo 'obj-m := mistakes.o' >"$BUILD/mistakes/Kbuild"
kmake_try sparse "${KVARS[@]}" C=2 M="$BUILD/mistakes" mistakes.o || :
while IFS=: read -r line text; do
	result "$(awk -F: -v line="$line" '/mistakes\.c:[0-9]+:[0-9]+: warning: / && $2 > line && $2 < line + 4 {
		found = 1 } END { print found + 0 }' "$LOG/sparse.log")" "planted: ${text#static }"
done < <(grep -n '^static .*bad_' "$BUILD/mistakes/mistakes.c")
silent "what is right is passed over" "$(awk -F: -v from="$(grep -n '^static .*good(' "$BUILD/mistakes/mistakes.c" |
	cut -d: -f1)" '/mistakes\.c:[0-9]+:[0-9]+: (warning|error): / && $2 >= from' "$LOG/sparse.log")"
counts $passed $failed 0
