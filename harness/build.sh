#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Compiles what the feature touches, with both compilers, for both
# architectures, with the option on and off: no warning.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"

[ $# -eq 0 ] || usage "takes no argument, got '$1'"
use_tree
CONFIG=$ROOT/harness/config
passed=0 failed=0

# one ARCH COMPILER OPTION FRAGMENT...
one()
{
	local arch=$1 compiler=$2 option=$3 name=build-$1-$2-$3 src targets out

	shift 3
	kvars "$arch" "$compiler"
	src=${arch/x86_64/x86}
	src=${src/i386/x86}
	kconfig "$name" "${KVARS[@]}" -- defconfig "${@/#/$CONFIG/}" "$CONFIG/werror.config"
	mapfile -t targets < <(touched_sources "$src" | sed 's/\.c$/.o/')
	case $option in
	on)	;;
	# The feature's own files are only built where its option is on,
	off)	mapfile -t targets < <(printf '%s\n' "${targets[@]}" |
			grep -vE '^(lib/kunit-mm/|mm/large_anon_folio|mm/rmap_id)') ;;
	# and here not even all of those that it changes.
	*)	targets=(mm/ fs/proc/task_mmu.o) ;;
	esac
	out=
	kmake_try "$name" -k "${KVARS[@]}" "${targets[@]}" || out=$?
	[ "${out:-0}" -le 128 ] ||
		die "make was killed by signal $((out - 128)) while it built $name; run laf again to go on"
	if [ -n "$out" ] || grep -q 'warning: ' "$LOG/$name.log"; then
		echo "not ok $name"
		first_error "$LOG/$name.log"
		say "all of it: $LOG/$name.log"
		failed=$((failed + 1))
	else
		echo "ok $name"
		passed=$((passed + 1))
	fi
}

for option in on off; do
	one x86_64 gcc $option common.config x86_64.config $option.config
	one arm64 gcc $option common.config $option.config
done
one x86_64 clang on common.config x86_64.config on.config
one arm64 clang on common.config on.config
# Without exact sharing, which is a choice.
one x86_64 gcc noid common.config x86_64.config on.config noid.config
# No huge pages at all, and an architecture that does not have the option.
one x86_64 gcc nothp nothp.config
one i386 gcc none
counts $passed $failed 0
