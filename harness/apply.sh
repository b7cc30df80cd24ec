#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Puts the feature into a 6.1.y tree of the user's, or takes it out: all or none.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=harness/lib-series.sh
. "$(dirname "$0")/lib-series.sh"

revert=
[ "${1:-}" != --revert ] || {
	revert=1
	shift
}
[ $# -eq 1 ] || usage "wants one folder"
[ -d "$1" ] || die "$1 is not a folder"
DIR=$(readlink -f "$1")
SCRATCH=$DIR/.laf-apply
# The scratch folder must not be taken for a part of a repository around it,
# or git apply skips every file there.
export GIT_CEILING_DIRECTORIES=$DIR

version=$(tree_version "$DIR")
[ -n "$version" ] || die "$1 is not a kernel tree (it has no Makefile with a version, Kbuild and mm/)"
case $version in
6.1 | 6.1.*) ;;
*) die "$1 is Linux $version; this is for 6.1.y" ;;
esac

# put_back: undo a run that did not come to its end. old/ holds each file that
# was there, `added` names the ones that were not, `made` the folders that were not.
# Before `moving` is there nothing was done to the tree. Needs no room on the disk; what
# can't be put back stays in $SCRATCH.
put_back()
{
	local f old=()

	[ -d "$SCRATCH" ] || return 0
	if [ -f "$SCRATCH/moving" ]; then
		mapfile -t old < <(cd "$SCRATCH/old" && find . \( -type f -o -type l \) | sed 's,^\./,,')
		rm -rf "$SCRATCH/new"
		for f in "${old[@]}"; do
			{ mkdir -p "$DIR/$(dirname "$f")" && mv -T "$SCRATCH/old/$f" "$DIR/$f"; } 2>/dev/null ||
				{ say "could not put back all; run 'laf apply $DIR' again"; return 0; }
		done
		while read -r f; do
			rm -f "$DIR/$f"
		done <"$SCRATCH/added"
		while read -r f; do
			rmdir "$DIR/$f" 2>/dev/null || :
		done < <(cat "$SCRATCH/made" 2>/dev/null)
		rm -f "$SCRATCH/moving"
	fi
	rm -rf "$SCRATCH"
}

# to_make FILE...: the folders above these that $DIR has not, deepest first
to_make()
{
	local f

	for f; do
		while f=$(dirname "$f"); [ ! -d "$DIR/$f" ]; do
			echo "$f"
		done
	done | sort -ru
}

# stop_here PLACE: the kit's tests stop here
stop_here()
{
	[ "${LAF_TEST_AT:-move}" != "$1" ] || [ -z "${LAF_TEST_STOP:-}" ] || kill -"$LAF_TEST_STOP" $$
}

# prune FILE: remove the folders above it that have become empty
prune()
{
	(cd "$DIR" && rmdir -p --ignore-fail-on-non-empty "$(dirname "$1")") 2>/dev/null || :
}

need git -- "applies patches"
assembled
if [ -d "$SCRATCH" ]; then
	say "puts back what an interrupted run left in $1"
	put_back
	[ ! -d "$SCRATCH" ] || die "can't put back what is in $SCRATCH; is $1 writable?"
fi

mapfile -t NEW < <(gt -c core.quotePath=off diff-tree -r --no-renames --diff-filter=A \
	--name-only "$BASE" "$TIP")
mapfile -t HOOKED < <(gt -c core.quotePath=off diff-tree -r --no-renames --diff-filter=M \
	--name-only "$BASE" "$TIP" | grep -vxF MAINTAINERS)
gt diff-tree -p --no-renames --no-ext-diff --no-textconv --diff-filter=M "$BASE" "$TIP" -- . \
	':(exclude)MAINTAINERS' | lean >"$WORK/hooks.patch"
maint=()
gt diff --quiet "$BASE" "$TIP" -- MAINTAINERS || maint=(MAINTAINERS)
gt cat-file blob "$BASE:MAINTAINERS" >"$WORK/maint.base"
gt cat-file blob "$TIP:MAINTAINERS" >"$WORK/maint.tip"
perl "$ROOT/harness/maintainers.pl" extract "$WORK/maint.base" "$WORK/maint.tip" /dev/null \
	>"$WORK/maint.ours" || exit 1

# The state of the user's tree.
same=0 there=
for f in "${NEW[@]}"; do
	if [ -e "$DIR/$f" ] || [ -L "$DIR/$f" ]; then
		there=$f
		if gt cat-file blob "$TIP:$f" | cmp -s - "$DIR/$f"; then
			same=$((same + 1))
		else
			other=$f
		fi
	fi
done
if [ -n "$revert" ]; then
	[ -n "$there" ] || die "the feature is not in $1"
	[ -z "${other:-}" ] || die "$other in $1 is not this version's; nothing is taken out"
else
	if [ -n "$there" ] && [ -z "${other:-}" ] && [ $same -eq ${#NEW[@]} ]; then
		die "the feature is in $1 already; 'laf apply --revert $1' takes it out"
	fi
	[ -z "$there" ] ||
		die "$1 has ${other:-$there} already, from another version or of its own; take that out first"
	if [ "$(git -C "$DIR" rev-parse --show-toplevel 2>/dev/null)" = "$DIR" ] &&
	   git -C "$DIR" rev-parse -q --verify HEAD >/dev/null; then
		changed=$(git -C "$DIR" -c core.quotePath=off --no-optional-locks status --porcelain \
			--untracked-files=no -- "${HOOKED[@]}" "${maint[@]}" | head -n1 | cut -c4-)
		[ -z "$changed" ] ||
			die "$1 has local changes in $changed, which the feature changes too; commit or stash them"
	fi
fi
for f in "${HOOKED[@]}" "${maint[@]}"; do
	[ -f "$DIR/$f" ] || die "$1 has no $f; it is not a whole 6.1 source"
	[ -w "$DIR/$f" ] || die "$DIR/$f is not writable"
	[ -w "$DIR/$(dirname "$f")" ] || die "$DIR/$(dirname "$f") is not writable"
done
for f in . "${NEW[@]}"; do
	while f=$(dirname "$f"); [ ! -d "$DIR/$f" ]; do :; done
	[ -w "$DIR/$f" ] || die "$DIR/$f is not writable"
done

# Everything is made beside the tree first, on its file system: what can fail
# fails here, and then nothing is left to do but to rename.
full()
{
	die "can't write to $1: $(sed -n 's/.*: //p' "$WORK/err" | head -n1); nothing was changed"
}
at_exit put_back
mkdir "$SCRATCH" 2>"$WORK/err" || full "$1"
{
	mkdir "$SCRATCH/new" "$SCRATCH/old" &&
	: >"$SCRATCH/added" && : >"$SCRATCH/made" &&
	(cd "$DIR" && cp -p --parents "${HOOKED[@]}" "${maint[@]}" "$SCRATCH/new") &&
	(cd "$DIR" && cp -p --parents "${HOOKED[@]}" "${maint[@]}" "$SCRATCH/old")
} 2>"$WORK/err" || full "$1"
if [ -n "$revert" ]; then
	(cd "$DIR" && cp -p --parents "${NEW[@]}" "$SCRATCH/old") 2>"$WORK/err" || full "$1"
fi

if [ -s "$WORK/hooks.patch" ]; then
	(cd "$SCRATCH/new" && git apply --whitespace=nowarn ${revert:+-R} "$WORK/hooks.patch") \
		2>"$WORK/err" || {
		where=$(sed -n 's/^error: patch failed: //p' "$WORK/err" | head -n1)
		[ -n "$where" ] || full "$1"
		die "$1 differs from 6.1.y at $where: local changes there? Nothing was changed"
	}
fi
for f in "${maint[@]}"; do
	mode=merge
	[ -z "$revert" ] || mode=remove
	perl "$ROOT/harness/maintainers.pl" $mode "$SCRATCH/old/$f" "$WORK/maint.ours" \
		>"$SCRATCH/new/$f" 2>"$WORK/err" || full "$1"
done
if [ -z "$revert" ]; then
	for f in "${NEW[@]}"; do
		mkdir -p "$SCRATCH/new/$(dirname "$f")" 2>"$WORK/err" || full "$1"
		read -r mode _ blob _ < <(gt ls-tree "$TIP" -- "$f")
		if [ "$mode" = 120000 ]; then
			ln -s "$(gt cat-file blob "$blob")" "$SCRATCH/new/$f" 2>"$WORK/err" || full "$1"
		else
			gt cat-file blob "$blob" | { cat >"$SCRATCH/new/$f"; } 2>"$WORK/err" || full "$1"
			chmod "${mode#100}" "$SCRATCH/new/$f"
		fi
		stop_here new
	done
	{
		printf '%s\n' "${NEW[@]}" >"$SCRATCH/added" &&
		to_make "${NEW[@]}" >"$SCRATCH/made"
	} 2>"$WORK/err" || full "$1"
fi
for f in "${HOOKED[@]}" "${maint[@]}"; do
	chown --reference="$SCRATCH/old/$f" "$SCRATCH/new/$f" 2>/dev/null || :
	chmod --reference="$SCRATCH/old/$f" "$SCRATCH/new/$f"
done

# From here on put_back has something to do
{ : >"$SCRATCH/moving"; } 2>"$WORK/err" || full "$1"
while read -r f; do
	mkdir -p "$DIR/$f" 2>"$WORK/err" || full "$1"
	stop_here folder
done <"$SCRATCH/made"
(cd "$SCRATCH/new" && find . \( -type f -o -type l \) | sed 's,^\./,,') >"$WORK/moves"
while read -r f; do
	mv -T "$SCRATCH/new/$f" "$DIR/$f" 2>"$WORK/err" ||
		die "can't write $DIR/$f ($(sed 's/.*: //' "$WORK/err")); everything is put back"
	stop_here move
done <"$WORK/moves"
if [ -n "$revert" ]; then
	for f in "${NEW[@]}"; do
		rm -f "$DIR/$f" || die "can't remove $DIR/$f; everything is put back"
		prune "$f"
		stop_here remove
	done
fi
rm -f "$SCRATCH/moving"
if [ -n "$revert" ]; then
	say "the feature is out of $1 (Linux $version)"
else
	say "the feature is in $1 (Linux $version); set CONFIG_LARGE_ANON_FOLIO=y to build it"
fi
