#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Brings the assembled tree's commits back into patches/ and the new files.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=harness/lib-series.sh
. "$(dirname "$0")/lib-series.sh"

[ $# -eq 0 ] || usage "takes no argument, got '$1'"
[ -d "$TREE/.git" ] || die "there is no build/tree yet; run 'laf tree'"
lock tree
scratch
recover
case $(unrefreshed) in
uncommitted*)
	die "build/tree has $(unrefreshed); commit it there first ('git commit -a', '--amend' or '--fixup')" ;;
its*)
	die "build/tree is in the middle of something: $(unrefreshed); finish it, then 'git -C build/tree checkout laf'" ;;
esac

BASE=$(gt rev-parse laf-base)
[ "$(gt merge-base laf-base laf)" = "$BASE" ] ||
	die "build/tree's branch 'laf' does not start at laf-base; rebase it onto laf-base"
[ -z "$(gt rev-list --min-parents=2 laf-base..laf)" ] ||
	die "build/tree's branch 'laf' has a merge; make it linear with 'git -C build/tree rebase laf-base'"

INPUTS=$(gt rev-parse -q --verify refs/laf/inputs || gt mktree </dev/null)
REPO=$(snapshot)
OUT=$WORK/out
rm -rf "$OUT" "$WORK/was"
mkdir -p "$OUT/patches" "$WORK/was"
GIT_INDEX_FILE=$WORK/was.index gt read-tree "$INPUTS"
GIT_INDEX_FILE=$WORK/was.index gt --work-tree="$WORK/was" checkout-index -a -f

# essence FILE: what of a patch mail matters. Line numbers, object names and
# the diffstat move with each point release of the base; a patch that differs
# in nothing else stays as it is.
essence()
{
	mail "$1" "$(basename "$1")"
	printf '%s\n' "$AUTHOR" "$EMAIL" "$(TZ=UTC date -d "$DATE" +%s)" "$SUBJECT"
	printf '%s\n' "${NEWFILES[@]}" | sort
	cat "$WORK/msg"
	sed -n '/^diff --git /,$p' "$WORK/diff" |
		sed -E -e '/^index [0-9a-f]+\.\.[0-9a-f]+/d' -e 's/^@@ .*/@@/'
}

# with_trailers FILE...: the commit's message from stdin, with a New-file line
# for each file before the Signed-off-by lines
with_trailers()
{
	local body trailers f

	body=$(cat)
	trailers=$(git interpret-trailers --only-trailers --only-input <<<"subject

$body")
	# git takes only the last paragraph for trailers
	[ -z "$trailers" ] || body=$(head -n -"$(wc -l <<<"$trailers")" <<<"$body")
	[ -z "$body" ] || printf '%s\n\n' "$body"
	grep -v '^Signed-off-by:' <<<"$trailers" | grep . || :
	for f; do echo "New-file: $f"; done
	grep '^Signed-off-by:' <<<"$trailers" || :
}

# The files that the series adds: whole in the repository, so that the patches
# hold only hooks.
mapfile -t NEW < <(gt -c core.quotePath=off diff-tree -r --no-renames --diff-filter=A \
	--name-only laf-base laf)
EXCLUDE=(':(exclude)MAINTAINERS')
declare -A IS_NEW=()
for f in "${NEW[@]}"; do
	EXCLUDE+=(":(exclude,literal)$f")
	IS_NEW[$f]=1
done
[ -z "$(gt diff-tree -r --no-renames --diff-filter=D --name-only laf-base laf)" ] ||
	die "the series deletes a file of the kernel, which it must not"

n=0
maint=
folded=()
mapfile -t OLD < <([ ! -f "$WORK/was/patches/series" ] || series_of "$WORK/was/patches/series")
NAMES=()
declare -A LANDED=()
while read -r commit; do
	subject=$(gt log -1 --format=%s "$commit")
	files=()
	# A new file lands with the first commit that has it.
	while read -r f; do
		if [ -z "${IS_NEW[$f]:-}" ] || [ -n "${LANDED[$f]:-}" ]; then
			continue
		fi
		LANDED[$f]=1
		files+=("$f")
	done < <(gt -c core.quotePath=off diff-tree -r --no-renames --diff-filter=A --name-only \
		"$commit^" "$commit")
	if [ -z "$maint" ] && ! gt diff --quiet "$commit^" "$commit" -- MAINTAINERS; then
		maint=1
		files+=(MAINTAINERS)
	fi
	gt diff-tree -p --stat --summary --no-renames --no-ext-diff --no-textconv -U3 --abbrev=12 \
		--diff-algorithm=myers --src-prefix=a/ --dst-prefix=b/ \
		"$commit^" "$commit" -- . "${EXCLUDE[@]}" | lean >"$WORK/hooks"
	if [ ! -s "$WORK/hooks" ] && [ ${#files[@]} -eq 0 ]; then
		folded+=("$subject")
		continue
	fi
	n=$((n + 1))
	name=$(printf '%04d-%s' $n "$(gt log -1 --format=%f "$commit" | cut -c1-52 | sed 's/[-.]*$//')").patch
	{
		echo "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001"
		gt log -1 --format='From: %an <%ae>%nDate: %aD%nSubject: [PATCH] %s%n' "$commit"
		gt log -1 --format=%b "$commit" | git stripspace | with_trailers "${files[@]}"
		echo ---
		cat "$WORK/hooks"
	} >"$OUT/patch"
	# The name and the text stay when nothing that matters changed.
	old=${OLD[n - 1]:-}
	if [ -n "$old" ] && [ -f "$WORK/was/patches/$old" ]; then
		essence "$OUT/patch" >"$WORK/essence.new"
		essence "$WORK/was/patches/$old" >"$WORK/essence.old"
		if cmp -s "$WORK/essence.new" "$WORK/essence.old"; then
			cp "$WORK/was/patches/$old" "$OUT/patch"
			name=$old
		elif [ "$subject" = "$SUBJECT" ]; then
			name=$old
		fi
	fi
	mv "$OUT/patch" "$OUT/patches/$name"
	NAMES+=("$name")
done < <(gt rev-list --reverse laf-base..laf)

if [ "${NAMES[*]}" = "${OLD[*]}" ] && [ -f "$WORK/was/patches/series" ]; then
	cp "$WORK/was/patches/series" "$OUT/patches/series"
else
	{
		if [ -f "$WORK/was/patches/series" ]; then
			sed '/^[^#]/,$d' "$WORK/was/patches/series"
		else
			echo '# SPDX-License-Identifier: GPL-2.0'
		fi
		printf '%s\n' "${NAMES[@]}"
	} >"$OUT/patches/series"
fi

if [ -n "$maint" ]; then
	gt cat-file blob laf-base:MAINTAINERS >"$WORK/maint.base"
	gt cat-file blob laf:MAINTAINERS >"$WORK/maint.tip"
	if [ -f "$WORK/was/MAINTAINERS" ] &&
	   perl "$ROOT/harness/maintainers.pl" merge "$WORK/maint.base" "$WORK/was/MAINTAINERS" |
			cmp -s - "$WORK/maint.tip"; then
		cp "$WORK/was/MAINTAINERS" "$OUT/MAINTAINERS"
	else
		perl "$ROOT/harness/maintainers.pl" extract "$WORK/maint.base" "$WORK/maint.tip" \
			"$WORK/was/MAINTAINERS" >"$OUT/MAINTAINERS" || exit 1
	fi
fi

# The tree's side of the comparison: what was generated, and the new files as
# they are at the tip.
rm -f "$WORK/out.index"
(cd "$OUT" && find . -type f | sed 's,^\./,,') |
	GIT_DIR=$TREE/.git GIT_WORK_TREE=$OUT GIT_INDEX_FILE=$WORK/out.index \
		git -C "$OUT" update-index --add --stdin
for f in "${NEW[@]}"; do
	gt ls-tree -r laf -- "$f"
done | GIT_INDEX_FILE=$WORK/out.index gt update-index --add --index-info
OURS=$(GIT_INDEX_FILE=$WORK/out.index gt write-tree)

# Three sides for each file: what the tree was made of, the repository now,
# the tree now. Whoever changed it wins; both, and nothing is done.
take=()
clash=
while read -r f; do
	was=$(gt ls-tree "$INPUTS" -- "$f")
	repo=$(gt ls-tree "$REPO" -- "$f")
	ours=$(gt ls-tree "$OURS" -- "$f")
	if [ "$ours" = "$was" ] || [ "$ours" = "$repo" ]; then
		continue
	fi
	if [ "$repo" != "$was" ]; then
		clash+=" $f"
	else
		take+=("$f")
	fi
done < <({
	gt -c core.quotePath=off diff-tree -r --no-renames --name-only "$INPUTS" "$OURS"
	gt -c core.quotePath=off diff-tree -r --no-renames --name-only "$REPO" "$OURS"
} | sort -u)
[ -z "$clash" ] ||
	die "changed both in the repository and in build/tree:$clash; make them the same in one of the two and run it again"

for f in "${folded[@]}"; do
	say "'$f' changes only new files that land earlier: it goes into them"
done
for f in "${take[@]}"; do
	read -r mode _ blob _ < <(gt ls-tree "$OURS" -- "$f") || mode=
	if [ -z "$mode" ]; then
		rm -f "${ROOT:?}/$f"
		rmdir -p --ignore-fail-on-non-empty "$ROOT/$(dirname "$f")" 2>/dev/null || :
		say "removes $f"
		continue
	fi
	mkdir -p "$ROOT/$(dirname "$f")"
	tmp=$ROOT/$(dirname "$f")/.laf-new~
	if [ "$mode" = 120000 ]; then
		ln -sfn "$(gt cat-file blob "$blob")" "$tmp"
	else
		gt cat-file blob "$blob" >"$tmp"
		chmod "${mode#100}" "$tmp"
	fi
	mv -T "$tmp" "$ROOT/$f"
	say "writes $f"
done
[ ${#take[@]} -gt 0 ] || say "nothing to bring back"

# From here on build/tree holds nothing that the repository lacks, whether or
# not the repository assembles.
rm -f "$TREE/.git/laf-id"
gt update-ref --stdin >/dev/null <<-EOF
	start
	update refs/laf/inputs $OURS
	update refs/laf/assembled $(gt rev-parse laf)
	commit
EOF
snap=$(snapshot)
assemble "$snap"
if [ "$snap" = "$OURS" ] &&
   [ "$(gt rev-parse "$TIP^{tree}")" != "$(gt rev-parse "laf^{tree}")" ]; then
	die "internal error: what was written does not assemble to build/tree; nothing there was touched"
fi
move_to "$snap"
