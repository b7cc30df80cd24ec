#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The series with its cover letter as one mailbox, on stdout, for git am.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=harness/lib-series.sh
. "$(dirname "$0")/lib-series.sh"

[ $# -eq 0 ] || usage "takes no argument, got '$1'"
[ -s "$ROOT/patches/cover.txt" ] ||
	die "there is no patches/cover.txt; its first line is the cover letter's subject, the rest its text"
need git -- "assembles the series"
assembled
n=$(gt rev-list --count "$BASE..$TIP")
subject=$(grep -v '^# SPDX' "$ROOT/patches/cover.txt" | sed -n '/./{p;q}')
email=$(gt log -1 --format=%ae "$TIP")

# git am stops at a mail without a patch, unless it comes from this name: so
# mail programs of old mark what is not a message to apply.
echo "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001"
echo "From: Mail System Internal Data <$email>"
gt log -1 --format='Date: %aD' "$TIP"
printf 'Subject: [PATCH %0*d/%d] %s\n\n' ${#n} 0 "$n" "$subject"
grep -v '^# SPDX' "$ROOT/patches/cover.txt" | sed '0,/./d' | git stripspace | sed 's/^From />From /'
echo
gt log --reverse --format="  %s" "$BASE..$TIP"
echo
gt diff-tree --stat --summary --no-renames "$BASE" "$TIP"
echo
gt format-patch --stdout --zero-commit --no-signature --no-renames --no-ext-diff --abbrev=12 \
	-n "$BASE..$TIP" | lean
