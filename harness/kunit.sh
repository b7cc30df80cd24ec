#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs the KUnit suites through the tree's own kunit.py.
# shellcheck source=harness/lib.sh
. "$(dirname "$0")/lib.sh"

archs=("$@")
[ $# -gt 0 ] || archs=(um x86_64 arm64 arm64-16k arm64-64k)
for arch in "${archs[@]}"; do
	case $arch in
	um | x86_64 | arm64 | arm64-16k | arm64-64k | s390) ;;
	*) usage "knows um, x86_64, arm64, arm64-16k, arm64-64k and s390, not '$arch'" ;;
	esac
done

need python3 git -- "runs kunit.py"
use_tree
[ -f "$TREE/lib/kunit-mm/.kunitconfig" ] || die "the assembled tree has no lib/kunit-mm"

# count WORD LINE: the number after "word: " in kunit.py's summary
count()
{
	sed -nE "s/.*$1: ([0-9]+).*/\1/Ip" <<<"$2" | grep . || echo 0
}

# one ARCH SOLE: run the suites once, with atomic_seqcount.sole=SOLE; add to the sums
one()
{
	local arch=$1 log=$LOG/kunit-$1.log dir=$BUILD/kunit-$1 rc=0 line p f s splat
	local cmd=(tools/testing/kunit/kunit.py run --kunitconfig=lib/kunit-mm
		   --build_dir="$dir" --jobs="$JOBS" --timeout=900
		   --kernel_args="atomic_seqcount.sole=$2")

	case $arch in
	um)
		kvars um ;;
	x86_64)
		kvars x86_64
		need qemu-system-x86 -- "boots the KUnit kernel"
		cmd+=(--arch=x86_64 --qemu_config=lib/kunit-mm/qemu_x86_64.py) ;;
	s390)
		kvars s390
		need qemu-system-misc -- "boots the KUnit kernel"
		cmd+=(--arch=s390 --cross_compile=s390x-linux-gnu-
		      --qemu_config=lib/kunit-mm/qemu_s390.py) ;;
	*)
		kvars arm64
		need qemu-system-arm -- "boots the KUnit kernel"
		line=${arch#arm64}
		line=${line#-}
		cmd+=(--arch=arm64 --cross_compile=aarch64-linux-gnu-
		      --qemu_config=lib/kunit-mm/qemu_arm64_"${line:-4k}".py) ;;
	esac
	lock "kunit-$arch"
	mkdir -p "$dir"
	rm -f "$dir/test.log"
	show cd "$TREE"
	show "${cmd[@]}"
	(cd "$TREE" && logged "$log" "kunit $arch" python3 "${cmd[@]}") || rc=$?

	line=$(grep -a 'Testing complete' "$log" | tail -n1 | sed 's/\x1b\[[0-9;]*m//g' || :)
	p=$(count passed "$line")
	s=$(count skipped "$line")
	f=$(($(count failed "$line") + $(count crashed "$line") + $(count errors "$line")))
	# A kernel that complains has failed, whatever its tests say.
	# um_pci_init() warns in stock too: kunit.py configures PCI without a device.
	splat=$(grep -aE '(WARNING|BUG|INFO): |Kernel panic|Oops' "$dir/test.log" 2>/dev/null |
		grep -av -m1 ' um_pci_init+' || :)
	if [ -n "$splat" ]; then
		echo "not ok kunit $arch: the kernel said: $splat"
		f=$((f + 1))
	elif [ $rc -ne 0 ] && [ "$f" -eq 0 ]; then
		f=1
	elif [ "$p" -eq 0 ] && [ "$f" -eq 0 ]; then
		echo "not ok kunit $arch: no test was run"
		f=1
	fi
	if [ "$f" -gt 0 ]; then
		if [ -z "$line" ]; then
			first_error "$log"
		else
			sed 's/\x1b\[[0-9;]*m//g' "$log" | grep -aE '\[(FAILED|CRASHED|ERROR)\]|# .*(EXPECTATION|ASSERTION)' -A8 |
				head -n 60 >&2 || :
		fi
		say "all of it: $log"
	fi
	echo "kunit $arch, sole=$2: $(printf '%d passed, %d failed, %d skipped' "$p" "$f" "$s")"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

passed=0 failed=0 skipped=0
# Sections of rmap are written in two ways: both are tested, and what the kernel
# chooses by itself
for arch in "${archs[@]}"; do
	case $arch in
	um)		one um on; one um off ;;
	x86_64)		one x86_64 on ;;
	arm64)		one arm64 off ;;
	arm64-16k)	one arm64-16k on ;;
	*)		one "$arch" auto ;;
	esac
done
counts $passed $failed $skipped
