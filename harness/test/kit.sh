#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kit's own tests. They run a copy of it on a small tree that looks like a
# kernel's, so that each takes a second.
# shellcheck disable=SC2016 # text for another shell is quoted
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/../lib.sh"

need git shellcheck xz-utils patch procps -- "tests the kit"

T=$(mktemp -d "${TMPDIR:-/tmp}/laf-kit.XXXXXX")
at_exit 'cd /; umount "$T/small" 2>/dev/null; rm -rf "$T"'
passed=0 failed=0 skipped=0
export GIT_AUTHOR_NAME=tester GIT_AUTHOR_EMAIL=tester@example.org
export GIT_COMMITTER_NAME=tester GIT_COMMITTER_EMAIL=tester@example.org
# What "laf check" says of its own tree is not true of the copies here.
unset LAF_LOCKS LAF_TREE_READY

# t NAME FUNCTION: FUNCTION runs in its own shell and fails by its status
t()
{
	local rc

	[ -z "${KIT_ONLY:-}" ] || [[ $1 = *$KIT_ONLY* ]] || return 0
	# Not with "|| rc=$?": that would turn errexit off in the test, too.
	set +e
	(set -e; cd "$T"; "$2") >"$T/log" 2>&1
	rc=$?
	set -e
	if [ $rc -eq 0 ]; then
		echo "ok $1"
		passed=$((passed + 1))
	elif [ $rc -eq 4 ]; then
		echo "ok $1 # SKIP $(tail -n1 "$T/log")"
		skipped=$((skipped + 1))
	else
		echo "not ok $1"
		tail -n 12 "$T/log" | awk '{ print "#   " $0 }'
		failed=$((failed + 1))
	fi
}

skip()
{
	echo "$*"
	exit 4
}

# same WHAT SEEN WANTED
same()
{
	[ "$2" = "$3" ] || {
		printf '%s: saw\n%s\nwanted\n%s\n' "$1" "$2" "$3"
		exit 1
	}
}

# refuses PATTERN CMD...: CMD must fail with one line on stderr, that matches
refuses()
{
	local pattern=$1 rc=0

	shift
	"$@" >"$T/out" 2>"$T/err" || rc=$?
	[ $rc -ne 0 ] || { echo "'$*' did not fail"; exit 1; }
	[ "$(wc -l <"$T/err")" -eq 1 ] || { echo "not one line:"; cat "$T/err"; exit 1; }
	grep -qE -- "$pattern" "$T/err" || { echo "wanted $pattern, saw:"; cat "$T/err"; exit 1; }
}

# state DIR: all that a test can see of a folder
state()
{
	(cd "$1" && find . -path ./.git -prune -o -printf '%p %m %y\n' | sort &&
		find . -path ./.git -prune -o -type f -print0 | sort -z | xargs -0 sha256sum)
}

# ---------------------------------------------------------------- fixtures

# fake_kernel DIR: something that looks like Linux 6.1
fake_kernel()
{
	mkdir -p "$1/mm" "$1/include/linux" "$1/fs"
	printf '# SPDX\nVERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 50\nEXTRAVERSION =\n' >"$1/Makefile"
	echo 'obj-y := mm/' >"$1/Kbuild"
	echo '.*' >"$1/.gitignore"
	seq -f 'line %g' 1 60 >"$1/mm/memory.c"
	seq -f 'row %g' 1 40 >"$1/mm/rmap.c"
	echo '/* mm */' >"$1/include/linux/mm.h"
	seq -f 'fs %g' 1 10 >"$1/fs/exec.c"
	chmod 755 "$1/fs/exec.c"
	printf 'List of maintainers\n\n\nMaintainers List\n----------------\n\nALPHA\nM:\tA <a@b>\nF:\talpha/\n\nMIDDLE\nS:\tOrphan\n\nTHE REST\nM:\tL <l@l>\nF:\t*\n' >"$1/MAINTAINERS"
}

# entry N SUBJECT NEWFILES <diff >patch mail
entry()
{
	local f

	echo 'From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001'
	echo 'From: A Developer <dev@example.org>'
	echo "Date: Mon, 5 Jan 2026 10:0$1:00 +0100"
	printf 'Subject: [PATCH] %s\n\nWhy it is done.\n\nMore about it.\n\n' "$2"
	for f in $3; do echo "New-file: $f"; done
	printf 'Signed-off-by: A Developer <dev@example.org>\n---\n'
	cat
}

# hook FILE SEDSCRIPT: the diff that the script makes in the fake kernel
hook()
{
	mkdir -p "$T/h/a/$(dirname "$1")" "$T/h/b/$(dirname "$1")"
	cp "$T/kernel/$1" "$T/h/a/$1"
	sed "$2" "$T/kernel/$1" >"$T/h/b/$1"
	(cd "$T/h" && diff -u "a/$1" "b/$1" | sed -e "1i diff --git a/$1 b/$1" -e 's/\t.*//') || :
}

# fresh: a repository with two entries, in $T/repo
fresh()
{
	rm -rf "$T/repo"
	mkdir -p "$T/repo/patches" "$T/repo/mm" "$T/repo/include/linux"
	cp -r "$ROOT/laf" "$ROOT/harness" "$T/repo/"
	cd "$T/repo"
	printf '/build/\n' >.gitignore
	printf '// SPDX\nint laf;\n' >mm/laf.c
	printf '/* SPDX */\n' >include/linux/laf.h
	printf '#!/bin/sh\n' >mm/laf.sh
	chmod 755 mm/laf.sh
	printf 'LAF\nL:\tlaf@example.org\nF:\tmm/laf.c\n' >MAINTAINERS
	hook mm/memory.c '10a hooked' | entry 1 'mm: hook one' 'mm/laf.c MAINTAINERS' >patches/0001-mm-hook-one.patch
	hook mm/rmap.c '20s/$/ hooked/' | entry 2 'mm: rmap: hook two' 'include/linux/laf.h mm/laf.sh' \
		>patches/0002-mm-rmap-hook-two.patch
	printf '# SPDX\n# The order matters.\n0001-mm-hook-one.patch\n0002-mm-rmap-hook-two.patch\n' >patches/series
	printf '# SPDX\nmm: a cover\n\nThe text.\n' >patches/cover.txt
	git init -q -b main .
	git add -A
	git commit -q -m repo
}

# ready: the same, assembled once and copied for each test after that
ready()
{
	if [ ! -d "$T/ready" ]; then
		fresh
		./laf tree
		cp -a "$T/repo" "$T/ready"
	fi
	rm -rf "$T/repo"
	cp -a "$T/ready" "$T/repo"
	cd "$T/repo"
}

g()
{
	git -C build/tree "$@"
}

clean_repo()
{
	same "git status" "$(git status --porcelain)" ""
}

fake_kernel "$T/kernel"
(cd "$T" && tar -cJf base.tar.xz --mtime='2026-01-01 00:00Z' --owner=0 --group=0 --sort=name kernel)
export LAF_BASE_TAR=$T/base.tar.xz

# user_tree plain|git: a user's kernel in $T/user
user_tree()
{
	rm -rf "$T/user"
	cp -a "$T/kernel" "$T/user"
	if [ "$1" = git ]; then
		git -C "$T/user" init -q
		git -C "$T/user" add -A -f
		git -C "$T/user" commit -q -m base
	fi
}

# ---------------------------------------------------------------- style

test_shellcheck()
{
	cd "$ROOT"
	shellcheck -x laf .ci/run harness/*.sh harness/test/*.sh
}
t "shellcheck" test_shellcheck

test_help()
{
	local call

	cd "$ROOT"
	for call in demo check tree patch mbox apply refresh kunit selftest sparse help; do
		./laf help | grep -q "laf $call" || { echo "help lacks $call"; exit 1; }
		./laf help $call | grep -q "laf $call" || { echo "no help for $call"; exit 1; }
	done
	refuses "no call 'nonsense'" ./laf nonsense
	refuses "no call 'lib'" ./laf lib
	refuses "no call '../laf'" ./laf ../laf
	refuses "no call 'nonsense'" ./laf help nonsense
	refuses "takes no argument" ./laf tree x
	refuses "wants one folder" ./laf apply
	refuses "not 'vax'" ./laf kunit vax
	refuses "no suite 'x'" ./laf check x
}
t "help and usage" test_help

# ---------------------------------------------------------------- tree

test_tree()
{
	ready
	same "last line" "$(./laf tree 2>/dev/null)" "$T/repo/build/tree"
	same "subjects" "$(g log --format=%s --reverse laf-base..laf)" $'mm: hook one\nmm: rmap: hook two'
	same "author" "$(g log -1 --format='%an %ae %aI %cn %cI')" \
		"A Developer dev@example.org 2026-01-05T10:02:00+01:00 A Developer 2026-01-05T10:02:00+01:00"
	same "message" "$(g log -1 --format=%B)" $'mm: rmap: hook two\n\nWhy it is done.\n\nMore about it.\n\nSigned-off-by: A Developer <dev@example.org>'
	same "files of 1" "$(g diff-tree -r --name-only laf~ laf~2)" $'MAINTAINERS\nmm/laf.c\nmm/memory.c'
	same "files of 2" "$(g diff-tree -r --name-only laf laf~)" $'include/linux/laf.h\nmm/laf.sh\nmm/rmap.c'
	cmp mm/laf.c build/tree/mm/laf.c
	[ -x build/tree/mm/laf.sh ]
	same "status" "$(g status --porcelain)" ""
	same "titles" "$(grep -E '^[A-Z ]+$' build/tree/MAINTAINERS | paste -sd,)" "ALPHA,LAF,MIDDLE,THE REST"
	clean_repo
}
t "tree: commits, files, modes, MAINTAINERS in order" test_tree

test_deterministic()
{
	ready
	local one
	one=$(g rev-parse laf)
	fresh
	./laf tree
	same "tip" "$(g rev-parse laf)" "$one"
}
t "tree: a second machine gets the same commits" test_deterministic

test_mtime()
{
	ready
	find build/tree -type f -exec touch -d 2020-01-01 {} +
	./laf tree
	same "nothing to do" "$(find build/tree -type f -newermt 2021-01-01 -not -path '*/.git/*')" ""
	echo 'int more;' >>mm/laf.c
	./laf tree
	same "one changed" "$(find build/tree -type f -newermt 2021-01-01 -not -path '*/.git/*')" build/tree/mm/laf.c
	cmp mm/laf.c build/tree/mm/laf.c
	git mv mm/laf.sh mm/other.sh
	sed -i 's,mm/laf.sh,mm/other.sh,' patches/0002*
	./laf tree
	[ ! -e build/tree/mm/laf.sh ] && [ -x build/tree/mm/other.sh ]
}
t "tree: touches only what changed" test_mtime

test_edited()
{
	local before

	ready
	echo edit >>build/tree/mm/memory.c
	echo 'int more;' >>mm/laf.c
	before=$(state build/tree)
	refuses "uncommitted changes \(mm/memory.c\).*laf refresh" ./laf tree
	refuses "commit it there first" ./laf refresh
	same "uncommitted work" "$(state build/tree)" "$before"
	g commit -qam edit
	refuses "commits that are not in the repository.*laf refresh" ./laf tree
	same "committed work" "$(state build/tree)" "$before"
	g checkout -q --detach
	refuses "'laf' is not checked out" ./laf tree
	ready
	echo x >build/tree/mm/stray.c
	refuses "uncommitted changes \(mm/stray.c\)" ./laf tree
	git -C build/tree stash -q -u
	./laf tree
}
t "tree: never overwrites work" test_edited

test_use()
{
	ready
	echo edit >>build/tree/mm/memory.c
	bash harness/tree.sh --use 2>"$T/err"
	grep -q "as it is" "$T/err"
	echo 'int more;' >>mm/laf.c
	refuses "repository changed too" bash harness/tree.sh --use
}
t "tree: a hook under work is built as it is" test_use

test_input_errors()
{
	ready
	echo 0003-gone.patch >>patches/series
	refuses "names 0003-gone.patch, and there is no" ./laf tree
	ready
	git rm -q --cached mm/laf.c
	rm mm/laf.c
	refuses "0001-mm-hook-one.patch brings mm/laf.c, which is not in the repository" ./laf tree
	ready
	echo >mm/more.c
	refuses "mm/more.c is named by no New-file" ./laf tree
	ready
	sed -i 's,^New-file: mm/laf.sh,&\nNew-file: mm/laf.c,' patches/0002*
	refuses "mm/laf.c is named by two New-file" ./laf tree
	ready
	cp patches/0002* patches/0009-more.patch
	refuses "0009-more.patch is not in patches/series" ./laf tree
	ready
	sed -i 's/^ line 9$/ line x/' patches/0001*
	refuses "0001-mm-hook-one.patch does not apply to Linux 6.1.50 at mm/memory.c:" ./laf tree
	ready
	sed -i '/^Date:/d' patches/0001*
	refuses "lacks a From:, Date: or Subject:" ./laf tree
	ready
	mkdir fs
	echo x >fs/exec.c
	sed -i 's,^New-file: mm/laf.sh,&\nNew-file: fs/exec.c,' patches/0002*
	refuses "brings fs/exec.c, which stock 6.1 has" ./laf tree
	ready
	rm patches/series
	refuses "no patches/series" ./laf tree
	ready
	LAF_BASE_TAR=/nowhere refuses "can't be read" ./laf tree
	# after an error the tree is as it was, and a repaired input works
	./laf tree
	same "status" "$(g status --porcelain)" ""
}
t "tree: says which input is wrong" test_input_errors

test_offset()
{
	ready
	cp -a "$T/kernel" "$T/moved"
	sed -i '1i new first line' "$T/moved/mm/memory.c"
	sed -i 's/SUBLEVEL = 50/SUBLEVEL = 51/' "$T/moved/Makefile"
	(cd "$T" && tar -cJf "$T/moved.tar.xz" moved)
	rm -rf "$T/moved"
	export LAF_BASE_TAR=$T/moved.tar.xz
	./laf tree
	same "base" "$(g log -1 --format=%s laf-base)" "Linux 6.1.51"
	same "commits" "$(g rev-list --count laf-base..laf)" 2
	grep -q '^hooked' build/tree/mm/memory.c
	same "status" "$(g status --porcelain)" ""
	# a point release must not rewrite the patches
	./laf refresh
	clean_repo
}
t "tree: follows the package to a new version, with offsets" test_offset

test_interrupted()
{
	ready
	echo 'int more;' >>mm/laf.c
	sed -i 's/^+hooked/+hooked twice/' patches/0001*
	! LAF_TEST_STOP=1 ./laf tree || { echo "was not killed"; exit 1; }
	g rev-parse -q --verify refs/laf/moving
	# as if it had been in the middle of writing, with git's lock held
	head -c 30 build/tree/mm/memory.c >"$T/part"
	cp "$T/part" build/tree/mm/memory.c
	rm build/tree/mm/laf.c
	touch build/tree/.git/index.lock
	./laf tree
	same "status" "$(g status --porcelain)" ""
	grep -q '^hooked twice' build/tree/mm/memory.c
	cmp mm/laf.c build/tree/mm/laf.c

	echo 'int again;' >>mm/laf.c
	! LAF_TEST_STOP=1 ./laf tree || exit 1
	echo 'the developer was here' >build/tree/mm/laf.c
	refuses "half moved.* mm/laf.c" ./laf tree
	grep -q developer build/tree/mm/laf.c
}
t "tree: an interrupted move is undone, work in it kept" test_interrupted

test_killed_anywhere()
{
	local delay pid

	for delay in 0.05 0.15 0.3 0.5 0.8 1.1; do
		fresh
		setsid ./laf tree &
		pid=$!
		sleep $delay
		# only the session that was started here: numbers are reused
		if [ "$(ps -o sid= -p $pid | tr -d ' ')" = $pid ] &&
		   grep -qa 'tree' "/proc/$pid/cmdline"; then
			kill -9 -- -$pid 2>/dev/null || :
		fi
		wait $pid 2>/dev/null || :
		./laf tree
		same "status after $delay" "$(g status --porcelain)" ""
		same "commits after $delay" "$(g rev-list --count laf-base..laf)" 2
	done
}
t "tree: killed at any time, the next run works" test_killed_anywhere

# ---------------------------------------------------------------- refresh

test_round_trip()
{
	ready
	local tip
	tip=$(g rev-parse laf)
	./laf refresh
	clean_repo
	same "tip" "$(g rev-parse laf)" "$tip"
}
t "refresh: a round trip changes nothing" test_round_trip

test_from_nothing()
{
	ready
	local tip
	tip=$(g rev-parse laf)
	# patches that were written by hand become what git would write, once
	git rm -q -r patches mm include MAINTAINERS
	git commit -qm empty
	g update-ref -d refs/laf/inputs
	./laf refresh
	same "series" "$(cat patches/series)" $'# SPDX-License-Identifier: GPL-2.0\n0001-mm-hook-one.patch\n0002-mm-rmap-hook-two.patch'
	same "tip" "$(g rev-parse laf)" "$tip"
	grep -q '^New-file: mm/laf.c$' patches/0001*
	same "hooks only" "$(grep 'b/mm/laf.c' patches/0001*)" ""
	[ -x mm/laf.sh ]
	git add -A
	git commit -qm again
	./laf refresh
	clean_repo
	rm -rf build
	./laf tree
	same "tip" "$(g rev-parse laf)" "$tip"
}
t "refresh: writes the whole series from the tree" test_from_nothing

test_amended()
{
	ready
	sed -i 's/^hooked$/hooked well/' build/tree/mm/memory.c
	g commit -qa --fixup laf~
	GIT_SEQUENCE_EDITOR=: g rebase -q -i --autosquash laf-base
	mkdir build/tree/fs/new
	echo 'int fresh;' >build/tree/fs/new/fresh.c
	sed -i 's/^fs 5$/fs five/' build/tree/fs/exec.c
	g add -A
	g commit -q -m 'fs: add something

It is needed.

Signed-off-by: A Developer <dev@example.org>'
	local tip
	tip=$(g rev-parse 'laf^{tree}')
	./laf refresh
	same "series" "$(tail -n 3 patches/series)" $'0001-mm-hook-one.patch\n0002-mm-rmap-hook-two.patch\n0003-fs-add-something.patch'
	grep -q '^# The order matters.' patches/series
	grep -q '^+hooked well' patches/0001*
	grep -q '^New-file: fs/new/fresh.c$' patches/0003*
	same "unchanged" "$(git diff --stat -- patches/0002*)" ""
	cmp fs/new/fresh.c build/tree/fs/new/fresh.c
	same "tree" "$(g rev-parse 'laf^{tree}')" "$tip"
	git add -A
	git commit -qm more
	./laf tree
	./laf refresh
	clean_repo
}
t "refresh: amended and added commits" test_amended

test_reordered()
{
	ready
	GIT_SEQUENCE_EDITOR='sed -i "1{h;d};2{G}"' g rebase -q -i laf-base
	./laf refresh
	same "series" "$(tail -n 2 patches/series)" $'0001-mm-rmap-hook-two.patch\n0002-mm-hook-one.patch'
	same "files" "$(cd patches && echo *.patch)" "0001-mm-rmap-hook-two.patch 0002-mm-hook-one.patch"
	git add -A
	git commit -qm reordered
	./laf refresh
	clean_repo
}
t "refresh: reordered commits" test_reordered

test_folded()
{
	ready
	echo 'int fixed;' >>build/tree/mm/laf.c
	g commit -qam 'mm: fix laf'
	./laf refresh
	same "changed" "$(git status --porcelain)" " M mm/laf.c"
	same "commits" "$(g rev-list --count laf-base..laf)" 2
	cmp mm/laf.c build/tree/mm/laf.c
}
t "refresh: a fix to a new file goes into the file" test_folded

test_both()
{
	ready
	echo 'int here;' >>mm/laf.c
	echo 'int there;' >>build/tree/mm/laf.c
	g commit -qam 'mm: fix laf'
	local before
	before=$(state build/tree; state patches; state mm)
	refuses "changed both.* mm/laf.c;" ./laf refresh
	same "nothing touched" "$(state build/tree; state patches; state mm)" "$before"
	# different files are no clash
	ready
	echo 'int here;' >>mm/laf.c
	sed -i 's/^hooked$/hooked well/' build/tree/mm/memory.c
	g commit -qa --fixup laf~
	GIT_SEQUENCE_EDITOR=: g rebase -q -i --autosquash laf-base
	./laf refresh
	grep -q '^int here;' build/tree/mm/laf.c
	grep -q '^+hooked well' patches/0001*
	same "status" "$(g status --porcelain)" ""
	refuses "takes no argument" ./laf refresh x
}
t "refresh: refuses what both sides changed" test_both

test_incomplete()
{
	ready
	sed -i 's/^hooked$/hooked well/' build/tree/mm/memory.c
	g commit -qa --fixup laf~
	GIT_SEQUENCE_EDITOR=: g rebase -q -i --autosquash laf-base
	echo 'int more;' >mm/more.c
	refuses "mm/more.c is named by no New-file" bash -c './laf refresh 2>&1 | grep -v "laf: writes" >&2; exit ${PIPESTATUS[0]}'
	grep -q '^+hooked well' patches/0001*
	sed -i 's,^New-file: mm/laf.sh,&\nNew-file: mm/more.c,' patches/0002*
	./laf tree
	grep -q 'hooked well' build/tree/mm/memory.c
	[ -f build/tree/mm/more.c ]
	./laf refresh
}
t "refresh: a new file that no patch names is added after it" test_incomplete

test_removed()
{
	ready
	g rm -q mm/laf.sh
	g commit -q --amend --no-edit
	./laf refresh
	[ ! -e mm/laf.sh ]
	same "trailers" "$(grep laf.sh patches/0002*)" ""
}
t "refresh: a new file that is gone" test_removed

test_maintainers()
{
	ready
	sed -i 's,^F:\tmm/laf.c,&\nF:\tmm/more.c,' build/tree/MAINTAINERS
	g commit -q -a --amend --no-edit
	./laf refresh
	same "entry" "$(cat MAINTAINERS)" "$(printf 'LAF\nL:\tlaf@example.org\nF:\tmm/laf.c\nF:\tmm/more.c')"
	sed -i 's/^S:\tOrphan/S:\tOdd Fixes/' build/tree/MAINTAINERS
	g commit -q -a --amend --no-edit
	refuses "own entry 'MIDDLE' was changed" ./laf refresh
}
t "refresh: MAINTAINERS" test_maintainers

test_context()
{
	local tip kind

	ready
	tip=$(g rev-parse laf)
	printf '# SPDX\nmm/memory.c: line 8\nmm/rmap.c: row 10\n' >patches/context
	./laf refresh
	# two lines are left before the hook, and two after it
	same "hunk" "$(sed -n '/^@@/,$s/ @@.*/ @@/;/^@@/,$p' patches/0001*)" $'@@ -9,4 +9,5 @@\n line 9\n line 10\n+hooked\n line 11\n line 12'
	same "other hunks" "$(git diff --stat -- patches/0002*)" ""
	git add -A
	git commit -qm context
	./laf refresh
	clean_repo
	./laf tree
	same "tree" "$(g rev-parse 'laf^{tree}')" "$(g rev-parse "$tip^{tree}")"

	# what has another line there takes it, by each of the ways in
	./laf patch >"$T/patch" 2>/dev/null
	./laf mbox >"$T/mbox" 2>/dev/null
	for kind in apply patch git-apply am; do
		user_tree git
		sed -i -e 's/^line 8$/line eight/' -e '1i first' "$T/user/mm/memory.c"
		git -C "$T/user" commit -qam other
		case $kind in
		apply) ./laf apply "$T/user" ;;
		patch) patch -d "$T/user" -p1 -s -F0 <"$T/patch" ;;
		git-apply) git -C "$T/user" apply "$T/patch" ;;
		am) git -C "$T/user" am -q "$T/mbox" ;;
		esac
		same "$kind" "$(sed -n '9,13p' "$T/user/mm/memory.c")" \
			$'line eight\nline 9\nline 10\nhooked\nline 11'
	done

	# the second hook stands beside what is named, then between two of its own
	echo 'mm/memory.c: line 11' >>patches/context
	refuses "mm/memory.c at line 8 has no context but what patches/context names; move it" ./laf patch
	sed -i 's/^mm.*/mm\/memory.c: line 12/' patches/context
	sed -i '14i hooked again' build/tree/mm/memory.c
	g commit -q -a --fixup laf~
	GIT_SEQUENCE_EDITOR=: g rebase -q -i --autosquash laf-base
	refuses "mm/memory.c at line 8 stand too close around a line that patches/context names" ./laf refresh
	echo 'nonsense' >patches/context
	refuses "patches/context:1: wanted 'FILE: LINE'" ./laf patch
}
t "refresh: no context that patches/context names" test_context

# ---------------------------------------------------------------- patch, mbox

test_patch()
{
	ready
	user_tree plain
	./laf patch >"$T/patch" 2>/dev/null
	cd "$T/user"
	GIT_CEILING_DIRECTORIES=$T git apply --check "$T/patch"
	GIT_CEILING_DIRECTORIES=$T git apply "$T/patch"
	same "tree" "$(diff -r "$T/user" "$T/repo/build/tree" | grep -vE '\.(git|scmversion)$' || :)" ""
	user_tree plain
	cd "$T/user"
	patch -p1 -s -F0 <"$T/patch"
}
t "patch: git apply and patch take it" test_patch

test_patch_unrefreshed()
{
	ready
	./laf patch >"$T/patch1" 2>/dev/null
	echo edit >>build/tree/mm/memory.c
	./laf patch >"$T/patch2" 2>/dev/null
	cmp "$T/patch1" "$T/patch2"
	grep -q edit build/tree/mm/memory.c
}
t "patch: writes what the repository holds, touches nothing" test_patch_unrefreshed

test_mbox()
{
	ready
	user_tree git
	./laf mbox >"$T/mbox" 2>/dev/null
	grep -q '^Subject: \[PATCH 0/2\] mm: a cover$' "$T/mbox"
	same "trailers" "$(grep '^New-file:' "$T/mbox")" ""
	git -C "$T/user" am -q "$T/mbox"
	same "subjects" "$(git -C "$T/user" log --format=%s)" $'mm: rmap: hook two\nmm: hook one\nbase'
	same "tree" "$(git -C "$T/user" rev-parse 'HEAD^{tree}')" "$(g rev-parse 'laf^{tree}')"
	rm patches/cover.txt
	refuses "no patches/cover.txt" ./laf mbox
}
t "mbox: git am takes it, cover letter first" test_mbox

# ---------------------------------------------------------------- apply

test_apply()
{
	local kind before

	for kind in plain git; do
		ready
		user_tree $kind
		before=$(state "$T/user")
		./laf apply "$T/user"
		same "$kind" "$(diff -r -x .git -x .scmversion "$T/user" build/tree || :)" ""
		[ -x "$T/user/mm/laf.sh" ] && [ -x "$T/user/fs/exec.c" ]
		refuses "in .* already; .*--revert" ./laf apply "$T/user"
		./laf apply --revert "$T/user"
		same "$kind reverted" "$(state "$T/user")" "$before"
		refuses "the feature is not in" ./laf apply --revert "$T/user"
	done
}
t "apply: in and out, git and plain" test_apply

test_apply_inside()
{
	ready
	user_tree plain
	mkdir -p "$T/repo/build/inner"
	rm -rf "$T/repo/build/inner/user"
	mv "$T/user" "$T/repo/build/inner/user"
	cd "$T/repo/build/inner"
	../../laf apply user
	grep -q '^hooked' user/mm/memory.c
}
t "apply: a plain tree within another repository, relative path" test_apply_inside

test_apply_other()
{
	local before

	ready
	user_tree git
	sed -i '1i one more line' "$T/user/mm/memory.c"
	sed -i 's/SUBLEVEL = 50/SUBLEVEL = 99/' "$T/user/Makefile"
	printf '\nANOTHER\nS:\tOdd\n' >"$T/x"
	sed -i "/^F:\talpha/r $T/x" "$T/user/MAINTAINERS"
	git -C "$T/user" commit -qam other
	before=$(state "$T/user")
	./laf apply "$T/user"
	same "line" "$(sed -n 12p "$T/user/mm/memory.c")" hooked
	same "titles" "$(grep -E '^[A-Z ]+$' "$T/user/MAINTAINERS" | paste -sd,)" "ALPHA,ANOTHER,LAF,MIDDLE,THE REST"
	./laf apply --revert "$T/user"
	same "reverted" "$(state "$T/user")" "$before"
}
t "apply: another point release" test_apply_other

# untouched PATTERN [--revert]: the refusal leaves the user's tree as it was
untouched()
{
	local pattern=$1 before

	shift
	before=$(state "$T/user")
	refuses "$pattern" ./laf apply "$@" "$T/user"
	same "nothing touched" "$(state "$T/user")" "$before"
}

test_apply_refuses()
{
	ready
	refuses "is not a folder" ./laf apply "$T/none"
	mkdir -p "$T/empty"
	refuses "not a kernel tree" ./laf apply "$T/empty"
	refuses "not a kernel tree" ./laf apply "$T/repo"
	user_tree plain
	sed -i 's/PATCHLEVEL = 1/PATCHLEVEL = 12/' "$T/user/Makefile"
	untouched "is Linux 6.12.50; this is for 6.1.y"
	sed -i 's/PATCHLEVEL = 12/PATCHLEVEL = 10/' "$T/user/Makefile"
	untouched "is Linux 6.10.50"
	user_tree git
	echo local >>"$T/user/mm/memory.c"
	untouched "local changes in mm/memory.c"
	git -C "$T/user" add mm/memory.c
	untouched "local changes in mm/memory.c"
	user_tree git
	echo local >>"$T/user/fs/exec.c"
	./laf apply "$T/user"
	user_tree plain
	sed -i 's/^line 10$/line ten/' "$T/user/mm/memory.c"
	untouched "differs from 6.1.y at mm/memory.c:"
	user_tree plain
	echo other >"$T/user/mm/laf.c"
	untouched "has mm/laf.c already"
	user_tree plain
	rm "$T/user/mm/rmap.c"
	untouched "has no mm/rmap.c"
	user_tree plain
	./laf apply "$T/user"
	echo changed >>"$T/user/mm/laf.c"
	untouched "mm/laf.c in .* is not this version's" --revert
	untouched "has mm/laf.c already, from another version"
	user_tree plain
	./laf apply "$T/user"
	sed -i 's/^hooked$/hooked by hand/' "$T/user/mm/memory.c"
	untouched "differs from 6.1.y at mm/memory.c" --revert
}
t "apply: each refusal is one line and touches nothing" test_apply_refuses

test_apply_readonly()
{
	ready
	user_tree plain
	if [ "$(id -u)" -ne 0 ]; then
		chmod a-w "$T/user/mm"
		untouched "user/mm is not writable"
		chmod u+w "$T/user/mm"
		return
	fi
	mkdir -p "$T/small"
	mount -t tmpfs -o size=8m none "$T/small" 2>/dev/null || skip "needs mount"
	cp -a "$T/user" "$T/small/user"
	mount -o remount,ro "$T/small"
	state "$T/small/user" >"$T/before"
	refuses "is not writable" ./laf apply "$T/small/user"
	state "$T/small/user" | cmp - "$T/before"
	umount "$T/small"
}
t "apply: not writable" test_apply_readonly

test_apply_full()
{
	ready
	user_tree plain
	[ "$(id -u)" -eq 0 ] || skip "needs root to mount a small file system"
	mkdir -p "$T/small"
	umount "$T/small" 2>/dev/null || :
	for size in 0 8 16 24 32 40; do
		mount -t tmpfs -o size=256k none "$T/small" 2>/dev/null || skip "needs mount"
		cp -a "$T/user" "$T/small/user"
		# leave this many KiB
		dd if=/dev/zero of="$T/small/fill" bs=4k 2>/dev/null || :
		[ $size -eq 0 ] || truncate -s -${size}k "$T/small/fill"
		state "$T/small/user" >"$T/before"
		if ./laf apply "$T/small/user" 2>"$T/err"; then
			[ $size -ge 16 ] || { echo "fits into $size KiB?"; exit 1; }
			grep -q '^hooked' "$T/small/user/mm/memory.c"
		else
			cat "$T/err"
			same "lines" "$(wc -l <"$T/err")" 1
			grep -q "No space left" "$T/err"
			state "$T/small/user" | cmp - "$T/before"
		fi
		umount "$T/small"
	done
}
t "apply: disk full" test_apply_full

# two_folders: make the repository bring files in folders that no kernel has
two_folders()
{
	local n

	for n in one two; do
		mkdir -p mm/$n/deep
		echo "int $n;" >mm/$n/deep/$n.c
		sed -i "s,^New-file: mm/laf.sh,&\nNew-file: mm/$n/deep/$n.c," patches/0002*
	done
	git add -A
	git commit -qm folders
	./laf tree
}

# With room for so many files and folders only
test_apply_full_inodes()
{
	local more used

	ready
	two_folders
	user_tree plain
	mkdir "$T/user/mm/one"
	[ "$(id -u)" -eq 0 ] || skip "needs root to mount a small file system"
	mkdir -p "$T/small"
	umount "$T/small" 2>/dev/null || :
	for more in {0..40}; do
		used=$(find "$T/user" | wc -l)
		# and one for its root
		mount -t tmpfs -o "size=4m,nr_inodes=$((used + 1 + more))" none "$T/small" 2>/dev/null ||
			skip "needs mount"
		cp -a "$T/user" "$T/small/user"
		state "$T/small/user" >"$T/before"
		if ./laf apply "$T/small/user" 2>"$T/err"; then
			[ "$more" -ge 9 ] || { echo "9 files and folders fit where $more do?"; exit 1; }
			state "$T/small/user" >"$T/applied"
			same "applied with $more" "$(diff -r "$T/small/user" build/tree | grep -vE '\.(git|scmversion)$' || :)" ""
		else
			cat "$T/err"
			same "lines with $more" "$(wc -l <"$T/err")" 1
			grep -q "No space left" "$T/err"
			state "$T/small/user" | diff "$T/before" -
		fi
		umount "$T/small"
	done
	[ -s "$T/applied" ]
}
t "apply: no room for files or folders" test_apply_full_inodes

test_apply_interrupted()
{
	local before sig place i

	ready
	two_folders
	# new: they are made beside the tree; folder: one was made in it
	for sig in TERM KILL; do
		for place in new folder move; do
			user_tree plain
			mkdir "$T/user/mm/one"
			before=$(state "$T/user")
			! LAF_TEST_STOP=$sig LAF_TEST_AT=$place ./laf apply "$T/user" || exit 1
			if [ $sig = TERM ]; then
				same "put back, $place" "$(state "$T/user")" "$before"
			else
				[ -d "$T/user/.laf-apply" ]
				! ./laf apply --revert "$T/user" || exit 1
				same "put back by the next, $place" "$(state "$T/user")" "$before"
				! LAF_TEST_STOP=$sig LAF_TEST_AT=$place ./laf apply "$T/user" || exit 1
			fi
			./laf apply "$T/user"
		done
		before=$(state "$T/user")
		for place in move remove; do
			! LAF_TEST_STOP=$sig LAF_TEST_AT=$place ./laf apply --revert "$T/user" || exit 1
			refuses "in .* already" env -u LAF_TEST_STOP bash -c './laf apply "$0" 2>&1 | grep -v "puts back" >&2; exit ${PIPESTATUS[0]}' "$T/user"
			same "still in, $place" "$(state "$T/user")" "$before"
		done
		./laf apply --revert "$T/user"
		same "out" "$(diff -r "$T/user" "$T/kernel")" ""
	done
}
t "apply: interrupted, all or none" test_apply_interrupted

# ---------------------------------------------------------------- lib.sh

# with_lib SCRIPT: run a line after lib.sh
with_lib()
{
	LAF_CALL=try bash -c '. harness/lib.sh; '"$1"
}

test_build_error()
{
	ready
	mkdir -p src
	printf 'all: a b c\na:\n\t@echo CC a\nb:\n\t@echo "b.c:3:1: error: no such thing" >&2; false\nc:\n\t@seq 500; echo "c.c:9:9: error: later"; false\n' >src/Makefile
	! KSRC=$PWD/src with_lib 'kmake try O= -k' >"$T/out" 2>&1 || exit 1
	grep -q 'no such thing' "$T/out"
	! grep -q ' later' "$T/out" || { cat "$T/out"; exit 1; }
	[ "$(wc -l <"$T/out")" -lt 30 ]
	grep -q 'later' build/log/try.log
}
t "a failing build shows its first error" test_build_error

test_lock()
{
	ready
	rm -f has one
	with_lib 'lock tree; touch has; while [ ! -f waits ]; do sleep 0.1; done; date +%s%N >one' &
	while [ ! -f has ]; do sleep 0.1; done
	with_lib 'lock tree; date +%s%N >two' 2>"$T/err" &
	# Let go when the other one has said that it waits.
	for _ in {1..600}; do
		! grep -qs "another laf works on build/tree" "$T/err" || break
		sleep 0.1
	done
	touch waits
	wait
	grep -q "another laf works on build/tree" "$T/err"
	[ "$(cat two)" -gt "$(cat one)" ]
	LAF_LOCKS=tree with_lib 'lock tree'
}
t "two runs wait for each other" test_lock

test_need()
{
	ready
	mkdir fake
	printf '#!/bin/sh\nexit 1\n' >fake/dpkg-query
	printf '#!/bin/sh\necho "$@" >>"%s"\n' "$T/apt" >fake/apt-get
	chmod +x fake/*
	rm -f "$T/apt"
	with_lib 'id() { echo 0; }; PATH=$PWD/fake:$PATH; need one two -- "tries it"' 2>"$T/err"
	same "says" "$(cat "$T/err")" "laf: installs one two from Debian: tries it"
	grep -q '^update' "$T/apt"
	grep -q '^install .* one two$' "$T/apt"
	refuses "needs root for 'apt-get install one'" with_lib 'id() { echo 1000; }; command() { false; }; PATH=$PWD/fake:$PATH; need one </dev/null'
	printf '#!/bin/sh\necho "E: no network" >&2; exit 100\n' >fake/apt-get
	! with_lib 'id() { echo 0; }; PATH=$PWD/fake:$PATH; need one' 2>"$T/err" || exit 1
	grep -q "could not install one: E: no network" "$T/err"
	refuses "^laf try: stop here" with_lib 'die stop here'
}
t "what is missing is installed, after one line" test_need

test_counts()
{
	local i pid rc=0

	ready
	same "line" "$(with_lib 'counts 3 0 1')" "3 passed, 0 failed, 1 skipped"
	! with_lib 'counts 0 0 0' || exit 1
	! with_lib 'counts 3 1 0' || exit 1
	# check: sums, and a suite that runs nothing
	printf 'echo "ok x"; echo "3 passed, 0 failed, 1 skipped"\n' >harness/kit.sh
	printf 'echo nothing\n' >harness/style.sh
	printf 'echo "2 passed, 0 failed, 0 skipped"; exit 1\n' >harness/sparse.sh
	! ./laf check kit style sparse >"$T/out" 2>/dev/null || exit 1
	same "sum" "$(tail -n1 "$T/out")" "5 passed, 2 failed, 1 skipped"
	./laf check kit >"$T/out" 2>/dev/null
	same "sum" "$(tail -n1 "$T/out")" "3 passed, 0 failed, 1 skipped"
	# What is left out is counted, with its reason
	(
		sed -n '/^SUITES="/,/^"/s/^[a-z][^\t]*\t*\([^ \t]*\).*/\1/p' harness/check.sh | sort -u |
			while read -r suite; do
				echo 'echo "1 passed, 0 failed, 0 skipped"' >"harness/$suite.sh"
			done
		./laf check >"$T/out" 2>/dev/null
		same "left out" "$(awk '/ 1 skipped: left out, it .*; .\.\/laf check .* runs it/ { print $1 }' "$T/out" |
			paste -sd' ')" "kunit-s390 vmtests cost bases full"
		same "sum" "$(tail -n1 "$T/out" | cut -d, -f2-)" " 0 failed, 5 skipped"
		./laf check cost >"$T/out" 2>/dev/null
		same "named" "$(tail -n1 "$T/out")" "1 passed, 0 failed, 0 skipped"
	)
	# Whatever ends first, the table is in the order of the suites
	printf 'sleep 1; echo "1 passed, 0 failed, 0 skipped"\n' >harness/kit.sh
	printf 'echo "2 passed, 0 failed, 0 skipped"\n' >harness/style.sh
	./laf check kit style >"$T/out" 2>/dev/null
	same "order" "$(tail -n4 "$T/out" | awk 'NR < 3 { print $1 }' | paste -sd' ')" "kit style"
	same "sum" "$(tail -n1 "$T/out")" "3 passed, 0 failed, 0 skipped"
	# Who ends it ends what it runs
	printf 'echo $$ >"%s"; sleep 60 & wait\n' "$T/suite" >harness/kit.sh
	./laf check kit >/dev/null 2>&1 &
	pid=$!
	until [ -s "$T/suite" ]; do sleep 0.1; done
	kill "$pid"
	wait "$pid" || rc=$?
	same "status" "$rc" 143
	for i in 1 2 3 4 5 6 7 8 9 10; do
		# One that has ended may wait for init to look
		[[ $(ps -o stat= -p "$(cat "$T/suite")") = [!Z]* ]] || break
		[ "$i" != 10 ] || { echo "the suite goes on"; exit 1; }
		sleep 0.2
	done
}
t "counts and their sums" test_counts

# ---------------------------------------------------------------- bench

report()
{
	python3 harness/bench/report.py "$@"
}

# bench_run: what a whole run leaves, in $T/result and $T/counts
bench_run()
{
	printf '@boot 6.1 x86_64\n@start known\n figure getppid_100 0 1\n@end known exit 0\n' >"$T/result"
	printf '@start count\n figure fault 64 10\n figure fault 64 10\n figure fault 64 10\n@end count exit 0\n@done\n' >>"$T/result"
	printf '1 18300 0 9 0 18300 0\n2 7500 20 9 0 9999 99\n3 7400 21 9 0 9999 99\n4 9000 20 9 0 9999 99\nend 4 17\n' >"$T/counts"
}

test_bench_join()
{
	ready
	bench_run
	same "figures" "$(report join "$T/result" "$T/counts" count)" "fault 64 750.000 2.0000"
	same "other" "$(report join "$T/result" "$T/counts" known)" "getppid_100 0 18300.000 0.0000"
	# QEMU was killed; a line was lost; the program died; it never came to it
	sed -i '$d' "$T/counts"
	refuses "counts have no end" report join "$T/result" "$T/counts" count
	bench_run
	sed -i 2d "$T/counts"
	refuses "counts are not whole" report join "$T/result" "$T/counts" count
	bench_run
	sed -i 's/^@end count.*/@end count signal 9/' "$T/result"
	refuses "did not get to its end: count signal 9" report join "$T/result" "$T/counts" count
	bench_run
	sed -i '/^@end count/,$d' "$T/result"
	refuses "did not get to its end" report join "$T/result" "$T/counts" count
	bench_run
	sed -i '0,/ figure fault/{/ figure fault/d}' "$T/result"
	refuses "3 measurements, but the plugin counted 4" report join "$T/result" "$T/counts" count
	bench_run
	sed -i 's/^end 4 17/end 4 0/' "$T/counts"
	refuses "no interrupt was seen" report join "$T/result" "$T/counts" count
}
t "bench: half a result is none" test_bench_join

test_bench_budgets()
{
	local n

	ready
	printf '# budgets\nx86_64 fault 64 700.0 2.000\narm64 fault 64 1.0 1.000\n' >"$T/budgets"
	check() { echo "fault 64 $1 $2" >"$T/f"; report check x86_64 "$T/budgets" "$T/f" >"$T/out"; }
	check 713.9 2.03
	grep -q '^ok x86_64 fault 64' "$T/out"
	! check 714.1 2.0 || exit 1
	grep -q '^not ok .*over its budget: 714.10 instructions beside 700.00$' "$T/out"
	! check 700 2.05 || exit 1
	grep -q '^not ok .*over its budget: 2.05 locked instructions beside 2.00$' "$T/out"
	check 600 2
	grep -q '1 figures are more than 2 % below' "$T/out"
	# a figure without a budget, a budget without a figure
	echo 'fork 64 5 5' >>"$T/f"
	! report check x86_64 "$T/budgets" "$T/f" >"$T/out" || exit 1
	grep -q '^not ok x86_64 fork 64 kB has no budget' "$T/out"
	echo 'fork 64 5 5' >"$T/f"
	! report check x86_64 "$T/budgets" "$T/f" >"$T/out" || exit 1
	grep -q '^not ok x86_64 fault 64 kB: there is a budget and no figure' "$T/out"
	# of two boots the cheaper counts, of three the one in the middle
	for n in 600 900 700; do echo "fault 64 $n 2" >"$T/boot$n"; done
	report check x86_64 "$T/budgets" "$T"/boot{900,700} >"$T/out"
	report check x86_64 "$T/budgets" "$T"/boot{900,600,700} >"$T/out"
	grep -q '^ok x86_64 fault 64 kB: 700.0 / 2.00 within' "$T/out"
	! report check x86_64 "$T/budgets" "$T"/boot{900,700,900} >"$T/out" || exit 1
	# only ever down
	printf 'fault 64 650 2.5\nfork 64 5 5\n' >"$T/f"
	same "lowered" "$(report lower x86_64 "$T/budgets" "$T/f")" "$(printf '# budgets\nx86_64 fault 64 650.0 2.000\narm64 fault 64 1.0 1.000\nx86_64 fork 64 5.0 5.000\n')"
	# two runs
	printf 'fault 64 1000 2\nfork_bare 4 50000 9\n' >"$T/f"
	printf 'fault 64 1004 2\nfork_bare 4 90000 9\n' >"$T/g"
	report same "$T/f" "$T/g" >"$T/out"
	sed -i s/1004/1006/ "$T/g"
	! report same "$T/f" "$T/g" >"$T/out" || exit 1
	! report same "$T/g" "$T/f" >"$T/out" || exit 1
}
t "bench: budgets and the difference of two runs" test_bench_budgets

# native SCRIPT: laf bench --native, as root and on a kernel that has the feature; the
# benchmark does what SCRIPT says
native()
{
	mkdir -p thp/hugepages-64kB
	printf '#!/bin/sh\n%s\n' "$1" >fake-bench
	{
		sed '/^case $mode in$/,$d' harness/bench.sh
		echo 'THP=$ROOT/thp; id() { echo 0; }; gcc() { install -m 755 "$ROOT/fake-bench" "$OUT/bench"; }'
		echo native
	} >harness/native.sh
	LAF_CALL=bench bash harness/native.sh --native
}

test_bench_native()
{
	ready
	refuses "^laf bench: can't run on CPU 3: no such CPU$" \
		native 'echo "bench note: less than 64 MB of swap are free" >&2; echo "figure x 4 1"
			echo "bench: can'"'"'t run on CPU 3: no such CPU" >&2; echo "bench note: put back" >&2; exit 1'
	refuses "^laf bench: the benchmark stopped half-way, see .*/native.log$" \
		native 'echo "bench note: less than 64 MB of swap are free" >&2; exit 1'
	# What bench.c says beside a reason must not look like one
	same "notes" "$(grep -c 'stderr, "bench: %s\|stderr, "bench: ' harness/bench/bench.c || :)" 0
}
t "bench: why --native failed" test_bench_native

test_no_qemu()
{
	ready
	refuses "^laf try: there is no qemu-system-x86_64; install Debian's QEMU" \
		with_lib '. harness/lib-guest.sh; need() { :; }; PATH=/nowhere; guest_qemu x86_64'
	refuses "^laf try: there is no qemu-system-aarch64; install Debian's QEMU" \
		with_lib '. harness/lib-guest.sh; need() { :; }; PATH=/nowhere; guest_qemu arm64'
}
t "no QEMU" test_no_qemu

# boot FILE SECONDS: a guest with FILE for a kernel
boot()
{
	with_lib '. harness/lib-guest.sh; QEMU=qemu-system-x86_64; ACCEL=(-accel tcg); IMAGE='"$1"'
		guest_dir try x86_64
		GUEST_QUIET=1 GUEST_RAM=64M guest_boot x86_64 '"$2"
}

test_no_boot()
{
	ready
	command -v qemu-system-x86_64 >/dev/null || skip "no QEMU"
	seq 1000 >none
	refuses "^laf: QEMU ended with status 1: .*; its console is empty$" boot none 60
	# One that has a header and then goes in a circle
	head -c 4096 /dev/zero >circle
	printf '\x55\xaa\xeb\xfeHdrS\x06\x02' | dd of=circle bs=1 seek=$((0x1fe)) conv=notrunc 2>/dev/null
	# where an initrd may end
	printf '\xff\xff\xff\x7f' | dd of=circle bs=1 seek=$((0x22c)) conv=notrunc 2>/dev/null
	refuses "^laf: the guest did not end within 3 s; it was stopped; its console is empty$" \
		boot circle 3
}
t "a kernel that does not boot" test_no_boot

# tap_of LINE...: what guest_tap makes of a program with these lines and status 0
tap_of()
{
	{
		echo "@start prog"
		printf ' %s\n' "$@"
		echo "@end prog exit 0"
	} >result
	with_lib '. harness/lib-guest.sh; guest_tap result try bare'
}

test_guest_tap()
{
	ready
	same "no TAP" "$(tap_of "all is well")" "ok try prog: exit 0"
	same "a test" "$(tap_of "TAP version 13" "1..1" "ok 1 one")" "ok try prog: one"
	same "a skip" "$(tap_of "1..2" "ok 1 one # SKIP why" "ok 2 two")" \
		"$(printf 'skip try prog: one # why\nok try prog: two')"
	same "none" "$(tap_of "TAP version 13")" \
		"skip try prog: the program # it announced tests and ran none"
	same "too few" "$(tap_of "1..2" "ok 1 one" | head -n 2)" \
		"$(printf 'ok try prog: one\nnot ok try prog: the program: it planned 2 tests and ran 1')"
	# What a program says without end is not kept, nor gone through again for each line
	mapfile -t talk < <(seq 60000 | sed 's/$/ one two three four five six/')
	same "talk" "$(($(tap_of "1..1" "${talk[@]}" "not ok 1 one" | wc -c) < 30000))" 1
}
t "guest: what programs say becomes results" test_guest_tap

test_guest_memory()
{
	ready
	refuses "the guest needs 900T of memory and this machine has" \
		with_lib '. harness/lib-guest.sh; GUEST_RAM=900T guest_boot x86_64 1'
}
t "a guest larger than the machine is refused" test_guest_memory

# race WHERE ADDRESS [ORIGIN OLD NEW]: a report as KCSAN prints it
race()
{
	printf '[ 1.0] BUG: KCSAN: data-race in %s\n\n%sread (marked) to %s of 8 bytes by task 1 on cpu 0:\n' "$1" "${3:-}" "$2"
	printf ' stack\n\n'
	[ -z "${5:-}" ] || printf '[ 1.1] value changed: %s -> %s\n\n' "$4" "$5"
	printf 'Reported by Kernel Concurrency Sanitizer on:\n'
}

test_kcsan_ours()
{
	local unknown="race at unknown origin, with "

	ready
	mkdir run
	printf '%s\n' mine other >run/ours
	{
		race "mine / theirs" 0xffff888000000000
		race "theirs / mine.isra.0" 0xffff888000000000
		race "other+0x3e/0x70" 0xffffea00019e5e40
		race "theirs / minetoo" 0xffff888000000000
		race "mine / list" 0xffffea00019e5e48
		race "mine / stocks" 0xffff888000000000
		race "mine+0x1/0x2" 0xffff888000000000 "$unknown" 0x0000000000d9a067 0x0000000000d9a047
		race "mine+0x3/0x4" 0xffff888000000000 "$unknown" 0x0000000000d9a067 0x0000000000d9b047
		race "other / mine" 0xffff888000000000 "" 0x0000000000d9a067 0x0000000000d9a047
	} >console
	with_lib 'RUN=run STOCK_RACES="mine / stocks"; eval "$(sed -n "/^kcsan_ours()/,/^}/p" harness/torture.sh)"
		kcsan_ours <console' >left
	same "ours" "$(sed -n 's/.*data-race in //p' left | paste -sd, )" \
		"mine / theirs,theirs / mine.isra.0,other+0x3e/0x70,mine+0x3/0x4,other / mine"
	same "the rest stays" "$(grep -c stack left)" 9
}
t "torture: data races that are not ours" test_kcsan_ours

# A new file, and one of which one function has changed; both are run once
test_coverage()
{
	ready
	mkdir -p tree/mm lists/new lists/old
	(
		cd tree || exit
		git init -q
		printf 'int same(int x)\n{\n\tif (x)\n\t\treturn 1;\n\treturn 2;\n}\n' >mm/old.c
		printf 'int other(int x)\n{\n\tif (x)\n\t\treturn 1;\n\treturn 2;\n}\n' >>mm/old.c
		git add mm
		git -c user.name=a -c user.email=a@b commit -q -m base
		git tag laf-base
		sed -i '9s/if (x)/if (x > 5)/' mm/old.c
		printf 'int same(int x);\nint other(int x);\n\nint main(void)\n{\n\treturn same(0) + other(0) - 4;\n}\n' >mm/new.c
		git add mm
		gcc --coverage mm/old.c mm/new.c -o it && ./it
		for f in old new; do
			gcov --json-format --stdout "it-$f.gcda" |
				perl ../harness/coverage.pl lines . "mm/$f.c" >"../lists/$f/run"
		done
	)
	same "new" "$(cut -f1-3 lists/new/run | paste -sd' ' | tr '\t' ,)" "1,4,main 1,6,main"
	same "changed" "$(cut -f1-3 lists/old/run | paste -sd' ' | tr '\t' ,)" \
		"1,7,other 1,9,other 0,10,other 1,11,other"
	printf 'mm/old.c\tother\treturn 1;\tnobody asks\n' >reasons
	perl harness/coverage.pl sum tree reasons left mm/new.c=lists/new mm/old.c=lists/old >out
	same "sum" "$(head -n2 out | paste -sd';')" \
		"# mm/new.c: 2 of 2 lines, 100.0 %;# mm/old.c, changed functions: 3 of 4 lines, 75.0 %"
	same "reason" "$(tr '\t' , <left)" "mm/old.c,10,other,return 1;,nobody asks"
	# What another run has reached is reached
	sed 's/^0/1/' lists/old/run >lists/old/again
	perl harness/coverage.pl sum tree reasons left mm/old.c=lists/old >out
	same "both" "$(head -n1 out)" "# mm/old.c, changed functions: 4 of 4 lines, 100.0 %"
}
t "torture: lines that no run has reached" test_coverage

test_published()
{
	ready
	printf '%s\n' 'b 9 other 9 9 9 9' '.. torture: table' 'Run CPUs Commit Minutes Episodes' \
		'b 4 c0 20 99 0 7' 'b 4 c1 5 5 0 1' '  mm/f.c, changed functions: 5 of 6 lines' \
		'.. torture: end' 'a 9 other 9 9 9 9' >document
	printf 'b 20.00 1 11 c1 passed\na 5.00 1 4 c1 failed\nb 10.50 11 14 c1 passed\nb 1.00 1 2 c2 failed\n' >record
	with_lib 'RUNS=$(printf "a\tx\tk\t2\nb\tx\tk\t4"); RECORD=record; covered() { echo "# reached"; }
		eval "$(sed -n "/^published()/,/^}/p" harness/torture.sh)"; published document' >out
	same "rows" "$(sed -n '4,/^===/p' out | grep -v === | tr -s ' ' | paste -sd';')" \
		"a 2 c1 0 0 1 --;b 4 c0 20 99 0 7;b 4 c1 30 13 0 1, 11;b 4 c2 0 0 1 --"
	same "reached" "$(grep reached out | tail -n1)" "  reached"
}
t "torture: the record as a table" test_published

test_publish()
{
	ready
	mkdir -p Documentation/mm
	printf 'before\n.. x: table\nold\n.. x: end\nafter\n' >Documentation/mm/large_anon_folio.rst
	printf 'new\n' >table
	with_lib 'publish x table; publish x table'
	same "replaced, once" "$(paste -sd, Documentation/mm/large_anon_folio.rst)" \
		"before,.. x: table,new,.. x: end,after"
}
t "a table is published in the place of the last one" test_publish

counts $passed $failed $skipped
