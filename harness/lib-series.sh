# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# From the repository to the kernel's git history and back: sourced, after
# lib.sh, by the calls that assemble, refresh and write the series.
#
# What build/tree's repository knows beside its branch `laf`:
#	laf-base		the stock kernel (tag)
#	refs/laf/assembled	the tip as it was last assembled or refreshed
#	refs/laf/inputs		the repository's patches and new files that the
#				tip was made of, as a git tree
#	refs/laf/moving		exists while the work tree is being moved

WORK=$BUILD/.series
SERIES_ID=$(sha256sum <"${BASH_SOURCE[0]}" | cut -c1-16)

gt()
{
	# shellcheck disable=SC2153 # TREE is lib.sh's
	git -C "$TREE" "$@"
}

# gi CMD...: git with the scratch index
gi()
{
	GIT_INDEX_FILE=$WORK/index git -C "$TREE" "$@"
}

# inputs_list: every file of the repository that lands in the kernel's tree,
# and the series
inputs_list()
{
	local f

	{
		if git -C "$ROOT" rev-parse --git-dir >/dev/null 2>&1 &&
		   [ "$(git -C "$ROOT" rev-parse --show-toplevel)" = "$ROOT" ]; then
			git -C "$ROOT" -c core.quotePath=off ls-files -co --exclude-standard
		else
			(cd "$ROOT" && find . -path ./build -prune -o -path ./.git -prune -o \
				\( -type f -o -type l \) -print | sed 's,^\./,,')
		fi
	} | while read -r f; do
		[ -e "$ROOT/$f" ] || [ -L "$ROOT/$f" ] || continue
		case $f in
		MAINTAINERS | patches/series | patches/*.patch) ;;
		build/* | patches/* | harness/* | .ci/*) continue ;;
		*~ | *.swp | *.orig | *.rej | *.pyc) continue ;;
		*/*) ;;
		*) continue ;;	# README.md, COPYING, laf: the kit's own
		esac
		echo "$f"
	done | sort -u
}

# snapshot: write the inputs as a git tree, print its name
snapshot()
{
	# The lock of one that was killed; only who holds ours gets here
	rm -f "$WORK/inputs.index" "$WORK/inputs.index.lock"
	inputs_list | GIT_DIR=$TREE/.git GIT_WORK_TREE=$ROOT GIT_INDEX_FILE=$WORK/inputs.index \
		git -C "$ROOT" update-index --add --stdin
	GIT_DIR=$TREE/.git GIT_INDEX_FILE=$WORK/inputs.index git write-tree
}

# lean: the diff on stdin, without the context that not every 6.1.y has
lean()
{
	perl "$ROOT/harness/context.pl" "$ROOT/patches/context"
}

# series_of FILE: the entries of a series file
series_of()
{
	sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$1"
}

# base_archive: sets ARCHIVE, and ARCHIVE_ID that changes when it does
base_archive()
{
	if [ -n "${LAF_BASE_TAR:-}" ]; then
		ARCHIVE=$LAF_BASE_TAR
		[ -r "$ARCHIVE" ] || die "LAF_BASE_TAR names $ARCHIVE, which can't be read"
		ARCHIVE_ID="archive $(sha256sum <"$ARCHIVE" | cut -c1-16)"
	else
		need linux-source-6.1 -- "the kernel's source to start from"
		ARCHIVE=/usr/src/linux-source-6.1.tar.xz
		ARCHIVE_ID="linux-source-6.1 $(dpkg-query -W -f='${Version}' linux-source-6.1)"
	fi
}

# find_base: set BASE to the stock commit if the repository has it
find_base()
{
	[ -d "$TREE/.git" ] || return 1
	for BASE in laf-base refs/laf/next-base; do
		BASE=$(gt rev-parse -q --verify "$BASE^{commit}") || continue
		[ "$(gt log -1 --format=%b "$BASE")" != "Source: $ARCHIVE_ID" ] || return 0
	done
	return 1
}

# make_base: set BASE to the stock commit; makes build/tree when there is none.
# The tag laf-base moves only together with the branch.
make_base()
{
	local part=$BUILD/base.part version date tree

	! find_base || return 0
	if [ ! -d "$TREE/.git" ] && [ -e "$TREE" ]; then
		die "$TREE is there but is not a git tree; move it away"
	fi
	need git xz-utils -- "unpacks the kernel's source"
	say "unpacks $(basename "$ARCHIVE") ($ARCHIVE_ID)"
	rm -rf "$part"
	mkdir -p "$part"
	at_exit "rm -rf '$part'"
	logged "$LOG/unpack.log" "unpacks" tar -xf "$ARCHIVE" -C "$part" --strip-components=1 \
		--no-same-owner ||
		die "can't unpack $ARCHIVE: $(head -n1 "$LOG/unpack.log")"
	[ -f "$part/Makefile" ] || die "$ARCHIVE holds no kernel source"
	version=$(tree_version "$part")
	date=$(stat -c %Y "$part/Makefile")
	if [ ! -d "$TREE/.git" ]; then
		git init -q -b laf "$part"
		# Objects are shared with worktrees and must not be repacked
		# while somebody builds.
		git -C "$part" config gc.auto 0
	fi
	# One pack instead of 80,000 files: git streams files above the limit
	# into a pack.
	GIT_DIR=$([ -d "$TREE/.git" ] && echo "$TREE/.git" || echo "$part/.git") \
	GIT_WORK_TREE=$part GIT_INDEX_FILE=$part/.git-index logged "$LOG/unpack.log" "commits the base" \
		git -C "$part" -c core.bigFileThreshold=1 -c core.compression=1 \
		add -A -f -- . ':(exclude).git-index*' ||
		die "can't commit the base: $(head -n1 "$LOG/unpack.log")"
	if [ -d "$TREE/.git" ]; then
		tree=$(GIT_INDEX_FILE=$part/.git-index gt write-tree)
		BASE=$(commit_base "$TREE" "$tree")
		gt update-ref refs/laf/next-base "$BASE"
	else
		mv "$part/.git-index" "$part/.git/index"
		tree=$(git -C "$part" write-tree)
		BASE=$(commit_base "$part" "$tree")
		git -C "$part" update-ref refs/heads/laf "$BASE"
		git -C "$part" update-ref refs/tags/laf-base "$BASE"
		git -C "$part" update-ref refs/laf/assembled "$BASE"
		# The kernel's release name must not change with each commit,
		# or each commit rebuilds what prints it.
		: >"$part/.scmversion"
		mv "$part" "$TREE"
	fi
	rm -rf "$part"
}

# commit_base REPO TREE: uses $version and $date
commit_base()
{
	GIT_AUTHOR_NAME='Debian Kernel Team' GIT_AUTHOR_EMAIL=debian-kernel@lists.debian.org \
	GIT_COMMITTER_NAME='Debian Kernel Team' GIT_COMMITTER_EMAIL=debian-kernel@lists.debian.org \
	GIT_AUTHOR_DATE="$date +0000" GIT_COMMITTER_DATE="$date +0000" \
		git -C "$1" commit-tree -m "Linux $version" -m "Source: $ARCHIVE_ID" "$2"
}

# tree_version DIR: 6.1.192, or nothing if it is not a kernel tree
tree_version()
{
	[ -f "$1/Makefile" ] && [ -f "$1/Kbuild" ] && [ -d "$1/mm" ] || return 0
	sed -nE 's/^(VERSION|PATCHLEVEL|SUBLEVEL) = ([0-9]+)$/\2/p' "$1/Makefile" |
		head -n3 | paste -sd.
}

# recover: undo a move of the work tree that was interrupted. Only files that
# the move was about to change are put back, and only if they hold what the
# move found, wrote or was writing.
recover()
{
	local to f odd=

	[ -d "$TREE/.git" ] || return 0
	to=$(gt rev-parse -q --verify refs/laf/moving) || return 0
	rm -f "$TREE/.git/index.lock"
	while read -r f; do
		half_moved "$f" "$to" || odd+=" $f"
	done < <(gt -c core.quotePath=off diff-tree -r --no-renames --name-only HEAD "$to")
	[ -z "$odd" ] ||
		die "an interrupted run left build/tree half moved and these were edited since:$odd; save them, then 'git -C build/tree reset --hard'"
	gt read-tree --reset -u HEAD
	gt update-ref -d refs/laf/moving
}

half_moved()
{
	local path=$TREE/$1 commit

	[ -e "$path" ] || return 0
	for commit in HEAD "$2"; do
		gt cat-file blob "$commit:$1" 2>/dev/null | cmp -s - "$path" && return 0
	done
	gt cat-file blob "$2:$1" 2>/dev/null | head -c "$(stat -c %s "$path")" | cmp -s - "$path"
}

# drop_hint: how to give up what unrefreshed() found
drop_hint()
{
	local to=refs/laf/assembled

	gt rev-parse -q --verify $to >/dev/null || to=laf-base
	echo "'git -C build/tree stash -u' and 'git -C build/tree checkout -B laf $to' to put it aside"
}

# unrefreshed: print what build/tree has that the repository lacks; nothing
# when it is as it was assembled
unrefreshed()
{
	local head

	[ "$(gt symbolic-ref -q HEAD || :)" = refs/heads/laf ] || {
		echo "its branch 'laf' is not checked out"
		return
	}
	gt update-index -q --refresh >/dev/null || :
	head=$(gt status --porcelain | head -n1 | cut -c4-)
	if [ -n "$head" ]; then
		echo "uncommitted changes ($head)"
	elif [ "$(gt rev-parse HEAD)" != "$(gt rev-parse -q --verify refs/laf/assembled ||
					    gt rev-parse laf-base)" ]; then
		echo "commits that are not in the repository"
	fi
}

# mail FILE NAME: parse a patch mail into $WORK/{info,msg,diff}, set AUTHOR,
# EMAIL, DATE, SUBJECT and NEWFILES
mail()
{
	git mailinfo -b "$WORK/rawmsg" "$WORK/diff" <"$1" >"$WORK/info" 2>/dev/null ||
		die "$2 is not a patch mail"
	AUTHOR=$(sed -n 's/^Author: //p' "$WORK/info")
	EMAIL=$(sed -n 's/^Email: //p' "$WORK/info")
	DATE=$(sed -n 's/^Date: //p' "$WORK/info")
	SUBJECT=$(sed -n 's/^Subject: //p' "$WORK/info")
	if [ -z "$AUTHOR" ] || [ -z "$EMAIL" ] || [ -z "$DATE" ] || [ -z "$SUBJECT" ]; then
		die "$2 lacks a From:, Date: or Subject: line"
	fi
	mapfile -t NEWFILES < <(sed -nE 's/^New-file:[[:space:]]*(.*[^[:space:]])[[:space:]]*$/\1/p' \
		"$WORK/rawmsg")
	{
		echo "$SUBJECT"
		echo
		grep -v '^New-file:' "$WORK/rawmsg" || :
	} | git stripspace >"$WORK/msg"
}

# assemble SNAPSHOT: commit the series of that snapshot on $BASE, set TIP
assemble()
{
	local snap=$1 entry f mode blob owner where list

	rm -rf "$WORK/in"
	mkdir -p "$WORK/in"
	GIT_INDEX_FILE=$WORK/in.index gt read-tree "$snap"
	GIT_INDEX_FILE=$WORK/in.index gt --work-tree="$WORK/in" checkout-index -a -f
	[ -f "$WORK/in/patches/series" ] || die "there is no patches/series"

	local -A lander=()
	TIP=$BASE
	gi read-tree "$BASE"
	list=$(series_of "$WORK/in/patches/series")
	for f in "$WORK"/in/patches/*.patch; do
		[ -f "$f" ] || continue
		grep -qxF -- "$(basename "$f")" <<<"$list" ||
			die "patches/$(basename "$f") is not in patches/series; add it or remove it"
	done
	for entry in $list; do
		[ -f "$WORK/in/patches/$entry" ] ||
			die "patches/series names $entry, and there is no patches/$entry"
		mail "$WORK/in/patches/$entry" "patches/$entry"
		if [ -s "$WORK/diff" ] && grep -q '^diff --git ' "$WORK/diff"; then
			if grep -qE '^(new file mode|rename to|copy to)' "$WORK/diff"; then
				die "patches/$entry creates a file; put it into the repository and name it in a New-file: line"
			fi
			gi apply --cached --whitespace=nowarn "$WORK/diff" 2>"$WORK/err" || {
				where=$(sed -n 's/^error: patch failed: //p' "$WORK/err" | head -n1)
				die "patches/$entry does not apply to $(gt log -1 --format=%s "$BASE")${where:+ at $where}${where:-: $(head -n1 "$WORK/err")}"
			}
		fi
		for f in "${NEWFILES[@]}"; do
			owner=${lander[$f]:-}
			[ -z "$owner" ] || die "$f is named by two New-file: lines, in $owner and $entry"
			lander[$f]=$entry
			[ -f "$WORK/in/$f" ] || [ -L "$WORK/in/$f" ] ||
				die "patches/$entry brings $f, which is not in the repository"
			if [ "$f" = MAINTAINERS ]; then
				gt cat-file blob "$TIP:MAINTAINERS" >"$WORK/maint"
				perl "$ROOT/harness/maintainers.pl" merge "$WORK/maint" \
					"$WORK/in/MAINTAINERS" >"$WORK/merged" || exit 1
				mode=100644
				blob=$(gt hash-object -w --no-filters "$WORK/merged")
			else
				[ -z "$(gi ls-files --cached -- "$f")" ] ||
					die "patches/$entry brings $f, which stock 6.1 has"
				read -r mode _ blob _ < <(gt ls-tree "$snap" -- "$f")
			fi
			gi update-index --add --cacheinfo "$mode,$blob,$f"
		done
		TIP=$(GIT_AUTHOR_NAME=$AUTHOR GIT_AUTHOR_EMAIL=$EMAIL GIT_AUTHOR_DATE=$DATE \
			GIT_COMMITTER_NAME=$AUTHOR GIT_COMMITTER_EMAIL=$EMAIL GIT_COMMITTER_DATE=$DATE \
			gt commit-tree -p "$TIP" -F "$WORK/msg" "$(gi write-tree)") ||
			die "patches/$entry can't be committed; is its Date: line right?"
	done
	while read -r f; do
		case $f in patches/*) continue ;; esac
		[ -n "${lander[$f]:-}" ] || die "$f is named by no New-file: line in patches/"
	done < <(gt -c core.quotePath=off ls-tree -r --name-only "$snap")
}

# move_to SNAPSHOT: move the work tree and all refs to $TIP on $BASE. Only
# files that differ are touched. The refs change in one step, last.
move_to()
{
	if [ "$(gt rev-parse "HEAD^{tree}")" != "$(gt rev-parse "$TIP^{tree}")" ]; then
		gt update-ref refs/laf/moving "$TIP"
		gt read-tree -m -u HEAD "$TIP" 2>"$WORK/err" || {
			gt update-ref -d refs/laf/moving
			die "build/tree can't be updated: $(sed 's/^error: //' "$WORK/err" | paste -sd' ')"
		}
		# the kit's tests stop here
		[ -z "${LAF_TEST_STOP:-}" ] || kill -9 $$
	fi
	gt update-ref --stdin >/dev/null <<-EOF
		start
		update refs/heads/laf $TIP
		update refs/tags/laf-base $BASE
		update refs/laf/assembled $TIP
		update refs/laf/inputs $1
		delete refs/laf/moving
		delete refs/laf/next-base
		commit
	EOF
	gt update-index -q --refresh >/dev/null || :
	echo "$SERIES_ID" >"$TREE/.git/laf-id"
}

# is_current SNAPSHOT: is build/tree what this snapshot assembles to?
is_current()
{
	[ "$(gt rev-parse -q --verify refs/laf/inputs || :)" = "$1" ] &&
		[ "$(gt rev-parse -q --verify laf-base)" = "$BASE" ] &&
		[ "$(cat "$TREE/.git/laf-id" 2>/dev/null || :)" = "$SERIES_ID" ]
}

# scratch: the folder for what the functions here write; one laf at a time.
# Locked after `tree`, if both are.
scratch()
{
	lock series
	mkdir -p "$WORK"
}

# assembled: set BASE and TIP to what the repository assembles to, without
# touching the work tree, so that it need not wait for builds
assembled()
{
	local snap

	base_archive
	if ! find_base; then
		lock tree
		recover
		make_base
	fi
	scratch
	snap=$(snapshot)
	if is_current "$snap"; then
		TIP=$(gt rev-parse refs/laf/assembled)
	else
		assemble "$snap"
	fi
}
