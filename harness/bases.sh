#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Puts the series into every linux-source-6.1 that apt offers, by all ways in:
# with offsets, but without fuzz, and each hook in the function where it belongs.
# Nothing is compiled.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=harness/lib-series.sh
. "$(dirname "$0")/lib-series.sh"

[ $# -eq 0 ] || usage "takes no argument, got '$1'"
need git xz-utils patch -- "unpacks and patches the kernel's sources"
assembled
BASES=$BUILD/bases
TMP=$BASES/.tmp
passed=0 failed=0
lock bases
mkdir -p "$BASES"
rm -rf "$TMP"
at_exit "rm -rf '$TMP'"
export GIT_CEILING_DIRECTORIES=$TMP:$BASES
export GIT_AUTHOR_NAME=laf GIT_AUTHOR_EMAIL=laf@localhost
export GIT_COMMITTER_NAME=laf GIT_COMMITTER_EMAIL=laf@localhost

# fetch VERSION: the files of that package that the series changes, and what
# tells a kernel tree, in $BASES/VERSION, under git
fetch()
{
	local dir=$BASES/$1

	[ "$(cat "$dir.files" 2>/dev/null)" != "$FILES" ] || return 0
	say "downloads linux-source-6.1 $1"
	rm -rf "$dir" "$dir.files" "$TMP"
	mkdir -p "$dir" "$TMP/deb"
	(cd "$TMP/deb" && apt-get download -q "linux-source-6.1=$1") >"$LOG/bases.log" 2>&1 </dev/null ||
		die "can't download linux-source-6.1 $1: $(grep -m1 '^E:' "$LOG/bases.log" || tail -n1 "$LOG/bases.log")"
	# shellcheck disable=SC2016 # the other shell expands it
	logged "$LOG/bases.log" "unpacks $1" bash -o pipefail -c '
		dpkg-deb --fsys-tarfile "$1"/*.deb | tar -xO ./usr/src/linux-source-6.1.tar.xz |
			tar -xJ -C "$2" --strip-components=1 --no-same-owner -T <(sed s,^,linux-source-6.1/, <<<"$3")
		' fetch "$TMP/deb" "$dir" "$FILES" ||
		die "can't unpack linux-source-6.1 $1: $(tail -n1 "$LOG/bases.log")"
	rm -rf "$TMP"
	git -C "$dir" init -q
	git -C "$dir" add -A -f
	git -C "$dir" commit -q -m "Linux $1"
	git -C "$dir" tag base
	echo "$FILES" >"$dir.files"
}

# try VERSION WHAT CMD...: a test: CMD must succeed, in a copy of that base, and
# leave the hooks where they are in the assembled tree
try()
{
	local version=$1 what=$2 ok=1

	shift 2
	rm -rf "$TMP"
	mkdir -p "$TMP"
	cp -a "$BASES/$version" "$TMP/user"
	if ! (cd "$TMP/user" && "$@") >"$LOG/bases.log" 2>&1; then
		ok=0
	elif ! hooks "$TMP/user" base | cmp -s - "$WORK/placed"; then
		echo "the hooks are not where they belong:" >>"$LOG/bases.log"
		hooks "$TMP/user" base | diff "$WORK/placed" - | head -n 20 >>"$LOG/bases.log" || :
		ok=0
	fi
	result $ok "$version: $what"
	[ $ok = 1 ] || awk '{ print "#   " $0 }' "$LOG/bases.log"
}

# hooks DIR COMMIT...: what was changed since it, line by line, and in which
# function. Stock makes some of them static in older releases.
hooks()
{
	git -C "$1" -c core.attributesFile="$WORK/attributes" diff -U0 --no-renames --no-ext-diff --no-textconv --diff-filter=M "${@:2}" -- . \
		':(exclude)MAINTAINERS' |
		sed -E -e '/^index /d' -e 's/^@@ [^@]*@@ ?(static )?/@@ /'
}

mapfile -t VERSIONS < <(apt-cache madison linux-source-6.1 2>/dev/null | awk '{ print $3 }' | sort -Vu)
[ ${#VERSIONS[@]} -gt 0 ] || die "apt offers no linux-source-6.1; run 'apt-get update'"
FILES=$({
	gt -c core.quotePath=off diff-tree -r --no-renames --diff-filter=M --name-only "$BASE" "$TIP"
	printf '%s\n' MAINTAINERS Makefile Kbuild
} | sort -u)
# These wait for no lock that is held here
export LAF_LOCKS="${LAF_LOCKS:-} series"
bash "$ROOT/laf" patch >"$WORK/whole"
bash "$ROOT/laf" mbox >"$WORK/mbox"
# as the kernel's own .gitattributes: without it a label is taken for a function
echo '*.[ch] diff=cpp' >"$WORK/attributes"
hooks "$TREE" "$BASE" "$TIP" >"$WORK/placed"
for version in "${VERSIONS[@]}"; do
	fetch "$version"
	try "$version" "laf mbox, git am" git am -q "$WORK/mbox"
	try "$version" "laf patch, git apply" git apply --whitespace=nowarn "$WORK/whole"
	try "$version" "laf patch, patch -F0" patch -p1 -s -f -F0 -i "$WORK/whole"
	try "$version" "laf apply" bash "$ROOT/laf" apply .
done
counts $passed $failed 0
