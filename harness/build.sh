#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Compiles what the feature touches, with both compilers, for both
# architectures, with the option on and off: no warning, and where it is on, none
# of W=1 that stock does not have. With --full, mm/ for other architectures and in other configurations.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"

full=
[ "$*" != --full ] || {
	full=1
	shift
}
[ $# -eq 0 ] || usage "takes no argument but --full, got '$1'"
use_tree
use_stock
CONFIG=$ROOT/harness/config
passed=0 failed=0

# compiles NAME TEXT ARG...: one test, ok when make says nothing in build/NAME
compiles()
{
	local name=$1 text=$2 log=$LOG/$1.log out=

	shift 2
	kmake_try "$name" -k "${KVARS[@]}" "$@" || out=$?
	[ "${out:-0}" -le 128 ] ||
		die "make was killed by signal $((out - 128)) while it built $text; run laf again to go on"
	# A single object says that it was made; a folder may be empty.
	if [ -z "$out" ] && [[ " $* " = *' mm/ '* ]]; then
		out=$(ar t "$BUILD/$name/mm/built-in.a" | wc -l)
		text+=", $out objects of mm"
		[ "$out" -lt 20 ] || out=
	fi
	if [ -n "$out" ] || grep -q 'warning: ' "$log"; then
		result 0 "$text"
		# the next one of this folder writes another
		name=${text%%[:,]*}
		name=$LOG/failed-${name// /-}.log
		cp "$log" "$name"
		first_error "$name"
		say "all of it: $name"
	else
		result 1 "$text"
	fi
}

# spoken: what compilers say of objects in make's output, OBJECT<TAB>WARNING, without
# places that move; kernel-doc, whose places have no column, is the style suite's
spoken()
{
	sed -E -e "s,($TREE|$STOCK|\.\./tree|\.\./stock)/,,g" -e 's/:[0-9]+:[0-9]+: /: /' | awk '
		$1 ~ /^[A-Z]+$/ { object = $1 == "CC" && $NF ~ /\.o$/ ? $NF : "" }
		object && /: (warning|error): / && !/^[^ ]+:[0-9]+: / { print object "\t" $0 }'
}

# w1 NAME OBJECT...: one test, ok when W=1 finds nothing that it does not find in
# stock's file, compiled by the same command
w1()
{
	local name=$1 object list new='' rc=0

	shift
	# what is up to date would say nothing
	(cd "$BUILD/$name" && rm -f "$@")
	kmake_try "$name" -k -Otarget "${KVARS[@]}" W=1 KCFLAGS=-Wno-error "$@" || rc=$?
	[ $rc -le 128 ] ||
		die "make was killed by signal $((rc - 128)) while it built $name; run laf again to go on"
	if [ $rc -ne 0 ]; then
		first_error "$LOG/$name.log"
		new="make failed; all of it: $LOG/$name.log"$'\n'
	fi
	list=$(spoken <"$LOG/$name.log" | sort -u)
	new+=$(for object in $(cut -f1 <<<"$list" | uniq); do
		comm -23 <(grep "^$object"$'\t' <<<"$list") \
			<(as_stock "$BUILD/$name" "$object" | spoken | sort -u)
	done)
	silent "$name W=1" "$new"
}

# as_stock DIR OBJECT: compile stock's source with the command that made the object
as_stock()
{
	local cmd

	[ -f "$STOCK/${2%.o}.c" ] || return 0
	cmd=$(sed -nE -e "s,($TREE|\.\./tree)/,$STOCK/,g" -e 's/ -Wp,-MMD,[^ ]*//' -e "s, -o $2 , -o /dev/null ," \
		-e '1s/^cmd_[^ ]* := ([^;]*).*/\1/p' "$1/$(dirname "$2")/.$(basename "$2").cmd" 2>/dev/null || :)
	echo "  CC $2"
	# as the kernel's Makefile does, or quotes differ
	(unset LC_ALL; cd "$1" && eval "$cmd" 2>&1) || :
}

# one ARCH COMPILER OPTION FRAGMENT...
one()
{
	local arch=$1 compiler=$2 option=$3 name=build-$1-$2-$3 src targets

	shift 3
	kvars "$arch" "$compiler"
	src=${arch/x86_64/x86}
	src=${src/i386/x86}
	kconfig "$name" "${KVARS[@]}" -- defconfig "${@/#/$CONFIG/}" "$CONFIG/werror.config"
	mapfile -t targets < <(touched_sources "$src" | sed 's/\.c$/.o/')
	case $option in
	on)
		w1 "$name" "${targets[@]}"
		return ;;
	# The feature's own files are only built where its option is on,
	off)	mapfile -t targets < <(printf '%s\n' "${targets[@]}" |
			grep -vE '^(lib/kunit-mm/|mm/large_anon_folio|mm/rmap_id)') ;;
	# and here not even all of those that it changes.
	*)	targets=(mm/ fs/proc/task_mmu.o) ;;
	esac
	compiles "$name" "$name" "${targets[@]}"
}

# variant ARCH BASE NAME WORD...: mm/ in a configuration of its own, of which each
# WORD is a fragment, or a line that stands behind them. All of an architecture's
# share a folder, so that only what a symbol changes is built again.
variant()
{
	local arch=$1 base=$2 name=$3 dir=full-$1 word list=() targets=(mm/ kernel/fork.o)
	local own=$BUILD/full-$1/laf.config config=$BUILD/full-$1/.config

	shift 3
	kvars "$arch"
	mkdir -p "$BUILD/$dir"
	lock "$dir"
	: >"$own"
	for word; do
		case $word in
		*=*)	echo "CONFIG_$word" >>"$own" ;;
		*)	list+=("$CONFIG/$word.config") ;;
		esac
	done
	kconfig "$dir" "${KVARS[@]}" -- "$base" "${list[@]}" "$CONFIG/werror.config" "$own"
	name="$arch $name:$(sed -nE "s/^CONFIG_(LARGE_ANON_FOLIO|RMAP_ID|$SYMBOLS)=y$/ \1/p" "$config" | sort | tr -d '\n')"
	! grep -qx CONFIG_PROC_PAGE_MONITOR=y "$config" || targets+=(fs/proc/task_mmu.o)
	rm -f "$BUILD/$dir/mm/built-in.a"
	compiles "$dir" "$name" "${targets[@]}"
}

# refused ARCH: one test, ok when Kconfig drops the option from the last variant;
# says why
refused()
{
	local config=$BUILD/full-$1/.config why symbol ok=1

	for symbol in HAVE_ARCH_TRANSPARENT_HUGEPAGE TRANSPARENT_HUGEPAGE ARCH_SUPPORTS_LARGE_ANON_FOLIO; do
		grep -qx "CONFIG_$symbol=y" "$config" || why="$symbol is not set"
	done
	echo CONFIG_LARGE_ANON_FOLIO=y >>"$config"
	kmake "full-$1" "${KVARS[@]}" olddefconfig
	! grep -q ^CONFIG_LARGE_ANON_FOLIO= "$config" || ok=0
	result $ok "$1 does not offer the option: ${why:-for no reason}"
}

if [ -n "$full" ]; then
	SYMBOLS='MEMCG|NUMA|SWAP|KSM|MIGRATION|USERFAULTFD'
	OPTION='TRANSPARENT_HUGEPAGE=y LARGE_ANON_FOLIO=y'
	ALL='common x86_64 on'
	one s390 gcc on portable.config on.config
	for arch in i386 riscv powerpc; do
		base=defconfig
		[ $arch != powerpc ] || base=ppc64le_defconfig
		variant $arch $base $base portable
		refused $arch
	done

	# shellcheck disable=SC2086 # words
	while read -r base name words; do
		[ -z "$base" ] || variant x86_64 "$base" "$name" $words
	done <<-EOF
		allnoconfig	allnoconfig
		tinyconfig	tinyconfig
		defconfig	defconfig		$OPTION
		allnoconfig	least			$OPTION
		allnoconfig	least+MEMCG		$OPTION CGROUPS=y MEMCG=y
		allnoconfig	least+NUMA		$OPTION SMP=y NUMA=y
		allnoconfig	least+SWAP		$OPTION SWAP=y
		allnoconfig	least+KSM		$OPTION KSM=y
		allnoconfig	least+USERFAULTFD	$OPTION USERFAULTFD=y
		defconfig	all			$ALL
		defconfig	all-MEMCG		$ALL MEMCG=n
		defconfig	all-NUMA		$ALL NUMA=n NUMA_BALANCING=n
		defconfig	all-SWAP		$ALL SWAP=n
		defconfig	all-KSM			$ALL KSM=n
		defconfig	all-USERFAULTFD		$ALL USERFAULTFD=n
		defconfig	all-MIGRATION		nothp COMPACTION=n MIGRATION=n NUMA=n
	EOF
	# Huge pages select COMPACTION, and that MIGRATION.
	refused x86_64
	counts $passed $failed 0
	exit
fi

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
