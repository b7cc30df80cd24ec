#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Explains laf, or one of its calls.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"

case ${1:-} in
'')
	cat <<-EOF
	Large anonymous folios for Linux 6.1: assembles, builds, boots, proves.

	  laf demo                  a real program with and without large folios, side by side
	  laf check                 every test and check; the last line has the counts
	  laf tree                  assembles build/tree, prints its path on the last line
	  laf patch                 the whole feature as one patch, on stdout
	  laf mbox                  the series with a cover letter, on stdout, for git am
	  laf apply DIR             puts the feature into a 6.1.y tree of yours; --revert takes it out
	  laf refresh               brings build/tree's commits back into this repository
	  laf kunit [ARCH...]       the KUnit suites: um x86_64 arm64 arm64-16k arm64-64k;
	                            s390 only when named
	  laf selftest [ARCH]       boots a kernel and runs the kselftest folder: x86_64 arm64
	  laf torture               kernels that check themselves, with all at once and faults injected
	  laf bench                 what each page costs, beside stock 6.1 and stock 6.12
	  laf seqcount              the sequence count: its model by Spin, threads under TSan
	  laf sparse                sparse over the files that the feature touches
	  laf cocci [FILE...]       the rules of scripts/coccinelle/mm, and their own tests
	  laf help CALL             more about one call

	Parts of 'laf check' that run alone too: kit style build breaks. Against stock
	kernels, not part of it: cost vmtests ('laf check cost vmtests'); in other
	releases of 6.1: bases ('laf check bases').
	Packages that are missing are installed from Debian, after one line that
	says so. Everything that is made is in build/: remove it to start afresh. What
	was compiled is in ccache's own folder, too.
	EOF
	;;
demo)
	cat <<-EOF
	laf demo
	  Builds the assembled tree for x86-64, boots it in QEMU, runs a real program
	  from Debian's packages with large folios off, by default and at 64 kB, and
	  prints page faults, folios by size and time side by side.
	EOF
	;;
check)
	cat <<-EOF
	laf check [SUITE...]
	  Runs all suites, or the ones that are named. Prints each suite's counts and
	  time, and as its last line 'N passed, N failed, N skipped', the sums. A suite
	  that runs nothing counts as a failure. Output of each: build/log/check-SUITE.log
	  'laf check --list' lists the suites.
	laf check --full
	  The same and the suite 'full': mm/ and what else is touched for s390, i386,
	  riscv64 and powerpc64le, where the option builds or Kconfig does not offer it,
	  and for x86-64 in 16 configurations, from allnoconfig to all without MEMCG.
	EOF
	;;
tree)
	cat <<-EOF
	laf tree
	  Makes build/tree, a git tree: Debian's linux-source-6.1 (tag laf-base), then on
	  the branch 'laf' one commit for each entry of patches/series, with its hooks and
	  the new files that its New-file: lines name. Only files that changed are touched,
	  so that make rebuilds only those. Prints the path, alone on the last line.
	  Work in build/tree that is not in this repository is never overwritten: commit
	  it there and run 'laf refresh'.
	  LAF_BASE_TAR=FILE names another archive of a 6.1 source to start from.
	EOF
	;;
patch)
	cat <<-EOF
	laf patch
	  Writes the whole feature as one patch to stdout:
	    ./laf patch >laf.patch; cd linux-source-6.1; git apply laf.patch
	EOF
	;;
mbox)
	cat <<-EOF
	laf mbox
	  Writes the series, after a cover letter (patches/cover.txt: subject, empty line,
	  text), as one mailbox to stdout:
	    ./laf mbox >laf.mbox; cd linux; git am ../laf.mbox
	  The cover letter's sender is 'Mail System Internal Data': by that name git am
	  knows that the mail holds no patch. Put your own there before you send it.
	EOF
	;;
apply)
	cat <<-EOF
	laf apply DIR
	laf apply --revert DIR
	  Puts the feature into a tree of 6.1.y (git or plain, Debian's or pristine), or
	  takes it out. All or nothing: it is made beside the tree first, and one line
	  says what stops it. Nothing is committed.
	EOF
	;;
refresh)
	cat <<-EOF
	laf refresh
	  The inverse of 'laf tree': writes the commits laf-base..laf of build/tree to
	  patches/ and the files that they add to their place here. Amend, reorder and
	  add commits there as you like. A file that was changed both here and there is
	  named, and nothing is written.
	EOF
	;;
kunit)
	cat <<-EOF
	laf kunit [um|x86_64|arm64|arm64-16k|arm64-64k|s390]...
	  Runs the suites of lib/kunit-mm through the tree's own kunit.py, for all but s390
	  or those that are named.
	EOF
	;;
selftest)
	cat <<-EOF
	laf selftest [x86_64|arm64]
	  Builds and boots a kernel in QEMU and runs
	  tools/testing/selftests/large_anon_folio in it.
	EOF
	;;
torture)
	cat <<-EOF
	laf torture [--minutes N] [--seed S] [--resume] [RUN...]
	  Boots kernels that check themselves in QEMU, with two memory nodes, and runs
	  tools/testing/selftests/large_anon_folio/torture for N minutes (10) on each:
	  processes and threads that share folios do at random what can be done with
	  memory, and compare each page with what it has to hold, while their memory is
	  reclaimed, moved, split and taken away. In the last third, allocations fail, and
	  then I/O of the swap device, too.
	  Any complaint of the kernel, wrong data, or memory that does not come back
	  fails, with the seed that repeats it. Runs, all if none is named:
	    kasan kasan4            x86-64 with 2 and 4 CPUs: KASAN, kmemleak, lockdep ...
	    kcsan kcsan4            KCSAN, strict: races in the feature's own functions, and
	                            in those that its patches change; fails, too, if it
	                            does not report one of the others
	    production production4  nothing that checks itself
	    arm64                   the same on arm64
	  build/torture.record gets a line for each run: name, minutes, first seed, next
	  seed, commit, result. --resume goes on with the seed behind the last one there.
	  build/torture-coverage/left lists the lines of new files and of changed functions
	  that no run has reached: file, line, function, text, reason.
	laf torture --publish
	  Puts the record, and how much was reached of what this tree is now, into
	  Documentation/mm/large_anon_folio.rst. Rows there of other commits stay.
	laf torture --short
	  What 'laf check torture' runs: kasan for five minutes, always from seed 1.
	EOF
	;;
sparse)
	cat <<-EOF
	laf sparse
	  Runs 'make C=2' over each C file that the feature touches, for x86-64, in the
	  assembled tree and in stock; a warning that stock does not have is a failure. So
	  is a mistake of types in harness/sparse that sparse does not find.
	EOF
	;;
cocci)
	cat <<-EOF
	laf cocci
	  Runs each rule of scripts/coccinelle/mm over its own input, in all modes, over
	  mm, fs/proc and kernel of the assembled tree, where only reports that
	  harness/cocci/accepted names may come, and over files with a violation planted.
	laf cocci FILE...
	  Prints what the rules report about files of the assembled tree.
	EOF
	;;
style)
	cat <<-EOF
	laf style
	  checkpatch.pl --strict over each commit of the series, get_maintainer.pl over
	  each new file, kernel-doc over new and changed code, the new pages of Documentation
	  by Sphinx, as 'make htmldocs' does it, and an SPDX line in every file.
	EOF
	;;
build)
	cat <<-EOF
	laf build
	  Compiles mm/ and all that the feature touches with GCC 12 and Clang 14 for
	  x86-64 and arm64, with the option on, and W=1, and off; a warning is a failure.
	laf build --full
	  What 'laf check --full' builds on top.
	EOF
	;;
kit)
	cat <<-EOF
	laf kit
	  The tests of this kit itself (harness/test).
	EOF
	;;
seqcount)
	cat <<-EOF
	laf seqcount
	  Checks the model of include/linux/atomic_seqcount.h in all its states with Spin,
	  and that broken ones are found; then builds the header in user space and runs
	  threads on it under ThreadSanitizer for a minute.
	EOF
	;;
bench)
	cat <<-EOF
	laf bench [x86_64] [arm64]
	  Builds stock 6.1, the assembled tree and stock 6.12 from one configuration for
	  both architectures or the one that is named, boots each in QEMU with a plugin that counts what the kernel
	  executes, and runs one benchmark: fault, fork, exit, munmap, madvise, mprotect,
	  copy on write, swapping out, for folios of 4 kB to 2 MB; then the same folios
	  from 2 and 4 CPUs at once. Prints a table and leaves build/bench/bench.json and
	  pictures. Instructions are counted in emulation: they repeat to 0.5 % on any
	  machine, and are no times.
	laf bench --check [x86_64] [arm64]
	  This tree's kernels only, twice, against harness/bench/budgets: more than 2 %
	  above a budget fails. Counts known sequences and a planted regression too.
	laf bench --lower [x86_64] [arm64]
	  The same, and lowers each budget to the figure measured if that is less.
	laf bench --native
	  Runs the benchmark on the kernel that runs here, in nanoseconds. As root: it
	  sets folio sizes in sysfs while it runs and puts them back. Swapping out is
	  measured when 64 MB of swap are free.
	EOF
	;;
cost)
	cat <<-EOF
	laf cost
	  Counts instructions of faults, fork and exit with the option off and with every
	  size at never, against stock: at most 1 % more.
	EOF
	;;
bases)
	cat <<-EOF
	laf bases
	  Puts the series into each linux-source-6.1 that apt offers, as mbox, as patch
	  and by 'laf apply': with offsets, without fuzz, and each hook in its function.
	  Downloads 140 MB for each version, once. Compiles nothing.
	EOF
	;;
vmtests)
	cat <<-EOF
	laf vmtests [PROGRAM...]
	  Other people's memory tests, all or the programs that are named. Boots stock 6.1,
	  the assembled tree and stock 6.12 with 6.1's selftests/vm and 6.12's
	  selftests/mm: nothing that passes on stock 6.1 fails or is skipped here. Then runs
	  stress-ng's memory stressors, one after another with --verify, on the assembled
	  tree with large folios of all sizes. Ends with a table of programs and kernels,
	  which is in build/vmtests/table.rst, too. What a stock kernel said is kept and
	  used again while that kernel and the tests are the same.
	  LAF_STRESS_SECONDS=N shares out N seconds (600) to stress-ng; LAF_SLOW=N gives
	  each program N times as long, for a machine that does other work.
	laf vmtests --publish
	  Puts the table of the last whole run into Documentation/mm/large_anon_folio.rst.
	EOF
	;;
help)
	cat <<-EOF
	laf help [CALL]
	  Explains laf, or one call.
	EOF
	;;
*)
	die "there is no call '$1'; './laf help' lists them"
	;;
esac
