# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What every call shares. A script sources this file first:
#
#	. "$(dirname "$0")/lib.sh"
#
# Variables it sets:
#	ROOT	the repository		BUILD	everything that is made, build/
#	TREE	the assembled tree	LOG	where make's output goes
#	JOBS	parallel jobs for make
#
# stdout is for results. Everything else goes to stderr.

set -euo pipefail
shopt -s inherit_errexit

ROOT=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/..")
BUILD=$ROOT/build
TREE=$BUILD/tree
LOG=$BUILD/log
JOBS=${LAF_JOBS:-$(nproc)}
CALL=${LAF_CALL:-$(basename "$0" .sh)}

# Only Debian's tools: what a user keeps in front of them, such as another
# Python, must not change a result.
export PATH=/usr/lib/ccache:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C
umask 022

# The same sources must give the same objects in every folder and at every
# time, or the cache never hits and two runs can't be compared. The cache is
# ccache's usual one, so that a new clone profits from it.
export HOME=${HOME:-$BUILD}
export CCACHE_BASEDIR=$ROOT CCACHE_NOHASHDIR=1
export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970'
export KBUILD_BUILD_USER=laf KBUILD_BUILD_HOST=laf KBUILD_BUILD_VERSION=1
export LOCALVERSION=

# No setting of the user's, and no hook that runs us, may change what git does.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_PREFIX
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
# root may work in a user's folder
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'

mkdir -p "$BUILD" "$LOG" 2>/dev/null || {
	echo "laf: can't write to $BUILD; run it as the owner of the folder" >&2
	exit 1
}

# say TEXT...: one line for the user
say()
{
	echo "laf: $*" >&2
}

# die MESSAGE: say what is wrong and what to do, in one line, and stop
die()
{
	echo "laf $CALL: $*" >&2
	exit 1
}

# usage MESSAGE: the call was written wrongly
usage()
{
	echo "laf $CALL: $*; './laf help $CALL' explains it" >&2
	exit 2
}

# run CMD...: print the native command, then run it
run()
{
	show "$@"
	"$@"
}

# show CMD...: print a command so that it can be pasted into a shell
show()
{
	local word out=

	for word; do
		case $word in
		*[!A-Za-z0-9_./=:,+@%-]* | '')
			word="'${word//\'/\'\\\'\'}'" ;;
		esac
		out+=" $word"
	done
	echo "+$out" >&2
}

# at_exit CMD: run CMD when the script ends, however it ends; last one first
AT_EXIT=
at_exit()
{
	AT_EXIT="$1; $AT_EXIT"
}

on_exit()
{
	local rc=$?

	trap '' INT TERM HUP
	set +e
	eval "$AT_EXIT"
	exit "$rc"
}
trap on_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# need PKG... [-- WHY]: install what is missing of Debian's packages
need()
{
	local pkg why="laf $CALL needs it" list=() sudo=()

	while [ $# -gt 0 ]; do
		if [ "$1" = -- ]; then
			shift
			why=$*
			break
		fi
		pkg=$1
		shift
		[ "$(dpkg-query -W -f='${db:Status-Status}' "$pkg" 2>/dev/null)" = installed ] ||
			list+=("$pkg")
	done
	[ ${#list[@]} -gt 0 ] || return 0
	if [ "$(id -u)" -ne 0 ]; then
		if ! command -v sudo >/dev/null || ! { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
			die "needs root for 'apt-get install ${list[*]}' ($why); install that and run laf again"
		fi
		sudo=(sudo)
	fi
	say "installs ${list[*]} from Debian: $why"
	{
		"${sudo[@]}" apt-get update -q &&
		"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
			--no-install-recommends -o DPkg::Lock::Timeout=600 "${list[@]}"
	} >"$LOG/apt.log" 2>&1 </dev/null ||
		die "apt-get could not install ${list[*]}: $(grep -m1 '^E:' "$LOG/apt.log" || echo "see $LOG/apt.log")"
	hash -r
}

# lock NAME [shared]: wait until no other laf works on NAME. What a parent
# script holds, its children need not ask for.
declare -A LOCK_FD=()
lock()
{
	local name=$1 mode=-x fd file=$BUILD/.lock-$1

	[ "${2:-}" != shared ] || mode=-s
	case " ${LAF_LOCKS:-} " in
	*" $name "*) return 0 ;;
	esac
	if [ -z "${LOCK_FD[$name]:-}" ]; then
		exec {fd}>>"$file"
		LOCK_FD[$name]=$fd
	fi
	fd=${LOCK_FD[$name]}
	if ! flock -n $mode "$fd"; then
		say "another laf works on build/$name; waits for it"
		flock $mode "$fd"
	fi
}

unlock()
{
	local fd=${LOCK_FD[$1]:-}

	[ -z "$fd" ] || flock -u "$fd"
}

# kvars ARCH [clang]: set KVARS to make's variables for that architecture and
# install its compiler
kvars()
{
	local cross=

	case $1 in
	arm64)		cross=aarch64-linux-gnu ;;
	s390)		cross=s390x-linux-gnu ;;
	riscv)		cross=riscv64-linux-gnu ;;
	powerpc)	cross=powerpc64le-linux-gnu ;;
	esac
	need gcc make bison flex bc libc6-dev libelf-dev libssl-dev ccache \
		-- "builds kernels"
	KVARS=(ARCH="$1")
	if [ "${2:-gcc}" = clang ]; then
		need clang-14 lld-14 llvm-14 -- "builds kernels with Clang"
		KVARS+=(LLVM=-14)
	elif [ -n "$cross" ]; then
		need "gcc-$cross" -- "builds $1 kernels"
		KVARS+=(CROSS_COMPILE="$cross-")
	fi
}

# first_error LOG: the first error of a build with what stands around it
first_error()
{
	local line

	line=$(grep -nE -m1 '(error|fatal|undefined reference|multiple definition)\b.*:|: (error|fatal error|undefined reference)|^(ERROR|FAILED|\*\*\*)|\*\*\* ' \
		"$1" | cut -d: -f1) || :
	[ -n "$line" ] || line=$(wc -l <"$1")
	sed -n "$((line > 3 ? line - 3 : 1)),$((line + 12))p" "$1" >&2
}

# watch PID LOG WHAT: show progress of a background command until it ends
watch()
{
	local pid=$1 log=$2 what=$3 start=$SECONDS next=$((SECONDS + 20)) last tty=

	[ ! -t 2 ] || tty=1
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.5
		[ -n "$tty" ] || [ $SECONDS -ge $next ] || continue
		next=$((SECONDS + 20))
		last=$(tail -n1 "$log" 2>/dev/null | tr -d '\r' | cut -c1-60)
		last="$what: $((SECONDS - start)) s, $(wc -l <"$log") lines: $last"
		if [ -n "$tty" ]; then
			printf '\r\033[K%s' "$last" >&2
		else
			say "$last"
		fi
	done
	[ -z "$tty" ] || printf '\r\033[K' >&2
}

# logged LOG WHAT CMD...: run CMD with its output in LOG and progress in view;
# returns its status
logged()
{
	local log=$1 what=$2 pid rc=0

	shift 2
	mkdir -p "$(dirname "$log")"
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	at_exit "kill $pid 2>/dev/null"
	watch "$pid" "$log" "$what"
	wait "$pid" || rc=$?
	AT_EXIT=${AT_EXIT#"kill $pid 2>/dev/null; "}
	return $rc
}

# kmake NAME ARG...: make in build/NAME from $KSRC (the assembled tree by
# default), output in build/log/NAME.log; stops with the first error
kmake()
{
	local rc=0

	kmake_try "$@" || rc=$?
	[ $rc -le 128 ] ||
		die "make was killed by signal $((rc - 128)) while it built $1; run laf again to go on"
	[ $rc -eq 0 ] || {
		first_error "$LOG/$1.log"
		die "the build of $1 failed, its first error stands above; all of it: $LOG/$1.log"
	}
}

# kmake_try NAME ARG...: the same, but only returns make's status
kmake_try()
{
	local name=$1 src=${KSRC:-$TREE}

	shift
	set -- make -C "$src" O="$BUILD/$name" -j"$JOBS" "$@"
	mkdir -p "$BUILD/$name" "$(dirname "$LOG/$name")"
	lock "$name"
	show "$@"
	logged "$LOG/$name.log" "$name" "$@"
}

# kconfig NAME ARCHVARS... -- BASE FRAGMENT...: make build/NAME/.config from
# the make target BASE (defconfig, tinyconfig ...) and files of CONFIG_ lines,
# of which the last one for a symbol must hold in the result. Nothing is touched when nothing changed.
kconfig()
{
	local name=$1 vars=() base stamp line missing out=$BUILD/$1

	shift
	while [ "$1" != -- ]; do
		vars+=("$1")
		shift
	done
	base=$2
	shift 2
	mkdir -p "$out"
	lock "$name"
	stamp=$({ echo "${KSRC:-$TREE}" "${vars[@]}" "$base"; [ $# -eq 0 ] || cat -- "$@"; } |
		sha256sum)
	if [ ! -f "$out/.config" ] || [ "$(cat "$out/.laf-config" 2>/dev/null)" != "$stamp" ]; then
		rm -f "$out/.laf-config"
		kmake "$name" "${vars[@]}" "$base"
		[ $# -eq 0 ] || cat -- "$@" >>"$out/.config"
		kmake "$name" "${vars[@]}" olddefconfig
		echo "$stamp" >"$out/.laf-config"
	else
		kmake "$name" "${vars[@]}" olddefconfig
	fi
	missing=
	while read -r line; do
		if [[ $line = *=n ]]; then
			! grep -q "^${line%n}" "$out/.config" || missing+=" $line"
		else
			grep -qxF -- "$line" "$out/.config" || missing+=" $line"
		fi
	done < <([ $# -eq 0 ] || config_lines "$@")
	[ -z "$missing" ] || die "build/$name/.config does not take:$missing"
}

# config_lines FRAGMENT...: what they ask for, SYMBOL=VALUE; the last line for
# a symbol wins
config_lines()
{
	sed -nE -e 's/^# (CONFIG_[A-Za-z0-9_]+) is not set$/\1=n/p' -e '/^CONFIG_[A-Za-z0-9_]+=/p' -- "$@" |
		awk -F= '{ line[$1] = $0 } END { for (symbol in line) print line[symbol] }'
}

# use_tree: make $TREE ready to build from. Work in it that is not in the
# repository yet is built as it is, for that is how hooks are developed.
use_tree()
{
	[ -z "${LAF_TREE_READY:-}" ] || return 0
	LAF_CALL=tree bash "$ROOT/harness/tree.sh" --use >/dev/null || exit 1
	lock tree shared
}

# use_stock: make $STOCK, the stock kernel to compare with, beside the tree
use_stock()
{
	local base

	STOCK=$BUILD/stock
	base=$(git -C "$TREE" rev-parse laf-base)
	lock stock
	if [ "$(git -C "$STOCK" rev-parse -q --verify HEAD 2>/dev/null)" != "$base" ] ||
	   ! git -C "$STOCK" diff --quiet HEAD 2>/dev/null; then
		if [ -e "$STOCK/.git" ]; then
			git -C "$STOCK" checkout -q -f --detach "$base"
		else
			rm -rf "$STOCK"
			git -C "$TREE" worktree prune
			git -C "$TREE" worktree add -q --detach "$STOCK" "$base"
		fi
	fi
	: >"$STOCK/.scmversion"
	unlock stock
}

# touched_sources ARCH: the C files of the kernel proper that the series
# changes or adds and that this folder of arch/ builds
touched_sources()
{
	git -C "$TREE" -c core.quotePath=off diff --no-renames --diff-filter=AM --name-only laf-base -- \
		'*.c' ':(exclude)tools' ':(exclude)samples' ':(exclude)scripts' \
		':(exclude)Documentation' | awk -v own="arch/$1/" '
			# drivers of x86 hardware and hypervisors
			own != "arch/x86/" && /^drivers\/(virt\/acrn|gpu\/drm\/i915)\// { next }
			!/^arch\// || index($0, own) == 1'
}

# result OK TEXT: one test, which is passed when OK is 1; adds to passed or failed
result()
{
	if [ "$1" = 1 ]; then
		echo "ok $2"
		passed=$((passed + 1))
	else
		echo "not ok $2"
		failed=$((failed + 1))
	fi
}

# silent NAME OUTPUT: one test, ok when there is no output; adds to passed or failed
silent()
{
	if [ -z "$2" ]; then
		echo "ok $1"
		passed=$((passed + 1))
	else
		echo "not ok $1"
		printf '#   %s\n' "${2//$'\n'/$'\n'#   }"
		failed=$((failed + 1))
	fi
}

# publish NAME FILE: FILE takes the place of what stands between the marks of the table
# NAME in the documentation
publish()
{
	sed -i -e "/^\.\. $1: table/,/^\.\. $1: end/{//!d}" -e "/^\.\. $1: table/r $2" \
		"$ROOT/Documentation/mm/large_anon_folio.rst"
}

# counts PASSED FAILED SKIPPED: the line that ends every suite; returns 1 when
# something failed or nothing ran
counts()
{
	echo "$1 passed, $2 failed, $3 skipped"
	[ "$2" -eq 0 ] && [ "$1" -gt 0 ]
}
