# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The kselftest folder, built for a guest: sourced, after lib.sh, by the calls
# that run programs of it.

FOLDER=large_anon_folio
# Each value, for one size and for a range of them, at boot
# shellcheck disable=SC2034 # of who sources this
THP_ANON="16K-64K:always;128K,512K:madvise;256K:never;2M:inherit"

# build_tests ARCH: the folder's programs, static, in build/selftest-ARCH
build_tests()
{
	local out=$BUILD/selftest-$1 log=$LOG/selftest-$1.log cmd

	# rsync is what `make headers_install` and kselftest's install use
	need rsync -- "installs kernel headers and tests"
	kvars "$1"
	lock "selftest-$1"
	mkdir -p "$out"
	rm -rf "$out/install"
	# A test that did not compile must not be replaced by an older one.
	rm -rf "$out/kselftest/$FOLDER"
	for cmd in headers install; do
		set -- make -C "$TREE" O="$out" -j"$JOBS" "${KVARS[@]}" headers
		[ $cmd = headers ] ||
			set -- make -C "$TREE/tools/testing/selftests" O="$out" "${KVARS[@]}" \
				TARGETS=$FOLDER USERLDFLAGS=-static \
				KSFT_INSTALL_PATH="$out/install" install
		show "$@"
		logged "$log" "selftest $cmd" "$@" || {
			first_error "$log"
			die "the selftests do not build; all of it: $log"
		}
		if grep -q 'warning: ' "$log"; then
			first_error "$log"
			die "the selftests build with warnings; all of it: $log"
		fi
	done
	TESTS=$out/install
	[ -s "$TESTS/kselftest-list.txt" ] || die "the install of $FOLDER left no list of tests"
}
