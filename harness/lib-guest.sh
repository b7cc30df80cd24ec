# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Kernels that boot in QEMU, and what runs in them: sourced, after lib.sh, by
# the calls that need a booted kernel.

# shellcheck disable=SC2153 # ROOT is lib.sh's
GUEST_CONFIG=$ROOT/harness/config
PLANT=()

# What the kernel says when it found itself wrong. A killed or poisoned
# process, which tests provoke, is not among it.
GUEST_SPLAT='WARNING:|BUG:|BUG at|kernel BUG|Oops|Unable to handle kernel|Kernel panic'
GUEST_SPLAT+='|general protection fault|Bad page|bad page|Bad rss|Bad swap|BUG: Bad|list_(add|del) corruption'
GUEST_SPLAT+='|INFO: task .* blocked|soft lockup|hard LOCKUP|INFO: rcu_|rcu: INFO|rcu_[a-z]+ ((self-)?detected|kthread starved)'
GUEST_SPLAT+='|possible (circular|recursive|irq)|inconsistent lock state|INFO: (lockdep|trying to register)|suspicious RCU'
GUEST_SPLAT+='|sleeping function called|scheduling while atomic|non-zero pgtables_bytes|still has locks'
GUEST_SPLAT+='|page allocation failure: order:[1-9]|unreferenced object'

# guest_qemu ARCH: install QEMU and set QEMU, its program
guest_qemu()
{
	case $1 in
	x86_64)
		need qemu-system-x86 seabios cpio libc6-dev gcc -- "boots x86-64 guests"
		QEMU=qemu-system-x86_64
		;;
	arm64)
		need qemu-system-arm cpio gcc-aarch64-linux-gnu libc6-dev-arm64-cross -- "boots arm64 guests"
		QEMU=qemu-system-aarch64
		;;
	*)	usage "knows x86_64 and arm64, not '$1'" ;;
	esac
	command -v "$QEMU" >/dev/null || die "there is no $QEMU; install Debian's QEMU and run laf again"
}

# A CPU whose instructions are counted: those that fill a whole page would count
# as one, or as one for each byte, and are left out
# shellcheck disable=SC2034 # for the callers
X86_COUNTED=max,erms=off,fsrm=off

# guest_kernel ARCH KIND: build a kernel for a guest, set IMAGE and KNAME.
#	debug	this tree, the option on, checking itself
#	plain	this tree, the option on, for figures
#	noid	the same, without rmap IDs
#	off	the same, the option off
#	stock	the same configuration of the stock kernel
#	mainline	the same of stock 6.12
#	vm	debug with what other people's tests use
#	vmstock	stock with that, and with this tree's mm/gup_test, for tests of later kernels
#	vm612	stock 6.12 with that
#	kasan, kcsan, production	this tree for 'laf torture'
# PLANT holds more arguments for make.
guest_kernel()
{
	local arch=$1 kind=$2 src=$TREE target=bzImage rel=arch/x86/boot/bzImage
	local frag=("$GUEST_CONFIG/guest.config" "$GUEST_CONFIG/guest-$arch.config")

	case $kind in
	debug)	KNAME=guest-$arch frag+=("$GUEST_CONFIG/debug.config" "$GUEST_CONFIG/on.config") ;;
	plain)	KNAME=plain-$arch frag+=("$GUEST_CONFIG/plain.config" "$GUEST_CONFIG/on.config") ;;
	noid)	KNAME=plain-$arch-noid
		frag+=("$GUEST_CONFIG/plain.config" "$GUEST_CONFIG/on.config" "$GUEST_CONFIG/noid.config") ;;
	off)	KNAME=plain-$arch-off frag+=("$GUEST_CONFIG/plain.config" "$GUEST_CONFIG/off.config") ;;
	stock)	KNAME=plain-$arch-stock frag+=("$GUEST_CONFIG/plain.config") ;;
	mainline) KNAME=plain-$arch-612 frag+=("$GUEST_CONFIG/plain.config") ;;
	vm)	KNAME=vm-$arch frag+=("$GUEST_CONFIG"/{debug,vm,on}.config) ;;
	vmstock) KNAME=vm-$arch-stock frag+=("$GUEST_CONFIG"/{plain,vm}.config) ;;
	vm612)	KNAME=vm-$arch-612 frag+=("$GUEST_CONFIG"/{plain,vm}.config) ;;
	kasan)	KNAME=torture-$arch-kasan
		frag+=("$GUEST_CONFIG"/{debug,kasan,torture,on}.config) ;;
	kcsan | production)	KNAME=torture-$arch-$kind
		frag+=("$GUEST_CONFIG"/{"$kind",torture,on}.config) ;;
	*)	die "there is no kind of kernel '$kind'" ;;
	esac
	if [ "$arch" = arm64 ]; then
		target=Image
		rel=arch/arm64/boot/Image
	fi
	case $kind in
	stock)
		use_stock
		src=$STOCK ;;
	vmstock)
		use_stock
		src=$BUILD/stockgup
		lock stockgup
		rm -rf "$src"
		# links, but for what is ours
		if ! cp -as "$STOCK" "$src" ||
		   ! cp -p --remove-destination "$TREE"/mm/gup_test.[ch] "$src/mm/"; then
			die "can't copy the stock kernel to $src"
		fi ;;
	mainline | vm612)
		use_612
		src=$STOCK612 ;;
	esac
	kvars "$arch"
	KSRC=$src kconfig "$KNAME" "${KVARS[@]}" -- tinyconfig "${frag[@]}"
	KSRC=$src kmake "$KNAME" "${KVARS[@]}" "${PLANT[@]}" "$target"
	IMAGE=$BUILD/$KNAME/$rel
	[ -s "$IMAGE" ] || die "the build of $KNAME left no $target"
}

# guest_cc ARCH OUT SOURCE [ARG...]: compile a static program for the guest
guest_cc()
{
	local cc=gcc out=$2 src=$3 arch=$1

	shift 3
	[ "$arch" != arm64 ] || cc=aarch64-linux-gnu-gcc
	mkdir -p "$(dirname "$out")"
	"$cc" -static -O2 -Wall -Wextra -o "$out" "$src" "$@" 2>"$LOG/cc.log" || {
		cat "$LOG/cc.log" >&2
		die "can't compile $(basename "$src") for $arch"
	}
}

# guest_dir NAME ARCH: an empty folder for one run, with our init in it. Sets
# RUN (the folder), GUEST_ROOT (what becomes the guest's root); its list of
# things to do is $GUEST_ROOT/list.
guest_dir()
{
	RUN=$BUILD/run/$1
	GUEST_ROOT=$RUN/root
	mkdir -p "$BUILD/run"
	lock "run-$1"
	rm -rf "$RUN"
	mkdir -p "$GUEST_ROOT" || die "can't write to $RUN"
	guest_cc "$2" "$GUEST_ROOT/init" "$ROOT/harness/init.c"
	: >"$GUEST_ROOT/list"
}

# guest_do WORD...: add a line to what the guest does
guest_do()
{
	echo "$*" >>"$GUEST_ROOT/list"
}

# guest_program FILE: copy a program of this machine with its shared
# libraries into the guest, to the same place
guest_program()
{
	local file=$1 lib

	[ -x "$file" ] || die "there is no program $file"
	mkdir -p "$GUEST_ROOT$(dirname "$file")"
	cp -L "$file" "$GUEST_ROOT$file"
	while read -r lib; do
		[ -e "$GUEST_ROOT$lib" ] || {
			mkdir -p "$GUEST_ROOT$(dirname "$lib")"
			cp -L "$lib" "$GUEST_ROOT$lib"
		}
	done < <(ldd "$file" | grep -oE '/[^ ]+')
}

# guest_accel ARCH: set ACCEL to how QEMU runs a guest here. /dev/kvm proves
# nothing: IMAGE must boot and run a program with it. What came out is kept
# until this machine boots anew. LAF_ACCEL=tcg or kvm asks for one of them.
guest_accel()
{
	local cpu ok run=${RUN:-} root=${GUEST_ROOT:-} known=$BUILD/.kvm here

	if [ "$1" = arm64 ]; then
		ACCEL=(-accel "tcg,thread=multi" -cpu "max,pauth-impdef=on")
		return
	fi
	here="$(cat /proc/sys/kernel/random/boot_id) $(id -u) $("$QEMU" --version | head -n1)"
	if [ "${LAF_ACCEL:-}" != tcg ] && [ -w /dev/kvm ]; then
		cpu=
		[ "$(sed -n 1p "$known" 2>/dev/null)" != "$here" ] || cpu=$(sed -n 2p "$known")
		if [ -n "$cpu" ]; then
			ACCEL=(-accel kvm -cpu "$cpu")
			[ "$cpu" = none ] || return 0
		else
			say "tries whether KVM runs a guest here"
			for cpu in max "max,-arch-capabilities" none; do
				[ "$cpu" != none ] || break
				ACCEL=(-accel kvm -cpu "$cpu")
				guest_dir kvm "$1"
				guest_do run hello 5 /init hello
				ok=1
				GUEST_QUIET=1 guest_boot "$1" 8 2>/dev/null || ok=
				RUN=$run GUEST_ROOT=$root
				[ -z "$ok" ] || break
			done
			printf '%s\n%s\n' "$here" "$cpu" >"$known"
			[ "$cpu" = none ] || return 0
		fi
	fi
	[ "${LAF_ACCEL:-}" != kvm ] || die "LAF_ACCEL=kvm, but KVM runs no guest here"
	ACCEL=(-accel "tcg,thread=multi" -cpu max)
	say "KVM does not run guests here; QEMU translates (TCG), which is slower"
}

# guest_nodes CPUS [MB]: set GUEST_CPUS, GUEST_RAM and NODES, QEMU's arguments for a
# guest of two memory nodes, each of MB (1024), that share the CPUs
guest_nodes()
{
	local half=$(($1 / 2)) mb=${2:-1024}

	GUEST_CPUS=$1,sockets=2
	GUEST_RAM=$((mb * 2))M
	# shellcheck disable=SC2034 # for the callers
	NODES=(-object "memory-backend-ram,id=m0,size=${mb}M" -numa "node,memdev=m0,cpus=0-$((half - 1))"
		-object "memory-backend-ram,id=m1,size=${mb}M" -numa "node,memdev=m1,cpus=$half-$(($1 - 1))")
}

# guest_boot ARCH SECONDS [QEMU-ARG...]: boot IMAGE with GUEST_ROOT, do its
# list. Leaves $RUN/result (lines of init.c) and $RUN/console. Returns 1, with
# the reason on stderr, when the list was not done to its end, a line of it
# could not be done, or the kernel complained. ACCEL, GUEST_CPUS (2),
# GUEST_RAM (2G) and GUEST_APPEND change the guest; GUEST_SHOW names a
# function that is given each new line of the result.
guest_boot()
{
	local arch=$1 limit=$2 start=$SECONDS pid rc=0 bad=0 shown=0 machine bus console args free

	shift 2
	# QEMU gets its memory when the guest uses it, and is killed if there is none.
	free=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)
	[ "$free" -ge "$(numfmt --from=iec "${GUEST_RAM:-2G}" --to-unit=Mi)" ] ||
		die "the guest needs ${GUEST_RAM:-2G} of memory and this machine has $free MB to spare; end something and run laf again"
	(cd "$GUEST_ROOT" && find . -print0 | LC_ALL=C sort -z |
		cpio -0 -o -H newc -R 0:0 --quiet) >"$RUN/initrd" 2>"$RUN/cpio.log" ||
		die "can't write the guest's root to $RUN/initrd: $(head -n1 "$RUN/cpio.log")"
	truncate -s 512M "$RUN/disk" || die "can't write to $RUN"
	: >"$RUN/result"
	: >"$RUN/console"
	case $arch in
	x86_64)	machine=q35 bus=pci console=ttyS0 ;;
	arm64)	machine=virt,mte=on bus=device console=ttyAMA0 ;;
	esac
	args=("$QEMU" -machine "$machine" "${ACCEL[@]}" -smp "${GUEST_CPUS:-2}" -m "${GUEST_RAM:-2G}"
		-nodefaults -no-user-config -display none -no-reboot
		-serial "file:$RUN/console"
		-device "virtio-serial-$bus" -chardev "file,id=result,path=$RUN/result"
		-device "virtserialport,chardev=result"
		-drive "if=none,id=swap,format=raw,cache=unsafe,file=$RUN/disk"
		-device "virtio-blk-$bus,drive=swap"
		"$@"
		-kernel "$IMAGE" -initrd "$RUN/initrd"
		-append "console=$console panic=-1 oops=panic ${GUEST_APPEND:-}")
	[ -n "${GUEST_QUIET:-}" ] || show "${args[@]}"
	"${args[@]}" >"$RUN/qemu.log" 2>&1 </dev/null &
	pid=$!
	at_exit "kill -9 $pid 2>/dev/null"
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.2
		guest_new_lines
		if [ $((SECONDS - start)) -ge "$limit" ]; then
			kill -9 "$pid" 2>/dev/null || :
			wait "$pid" 2>/dev/null || :
			rc=timeout
			break
		fi
	done
	if [ "$rc" = 0 ]; then
		wait "$pid" || rc=$?
	fi
	AT_EXIT=${AT_EXIT#"kill -9 $pid 2>/dev/null; "}
	guest_new_lines
	rm -f "$RUN/disk"
	guest_verdict || bad=1
	return $bad
}

# guest_new_lines: hand the lines that are new in the result to GUEST_SHOW
guest_new_lines()
{
	local line n

	[ -n "${GUEST_SHOW:-}" ] || return 0
	n=$(wc -l <"$RUN/result")
	[ "$n" -gt "$shown" ] || return 0
	while IFS= read -r line; do
		"$GUEST_SHOW" "$line"
	done < <(sed -n "$((shown + 1)),${n}p" "$RUN/result")
	shown=$n
}

# guest_verdict: say what is wrong with the run that guest_boot made
guest_verdict()
{
	local wrong=0 free why

	GUEST_SPLATS=$(tr -d '\r' <"$RUN/console" | ${GUEST_FILTER:-cat} | grep -acE "$GUEST_SPLAT" || :)
	if [ "$GUEST_SPLATS" -gt 0 ]; then
		say "the kernel complained ($GUEST_SPLATS lines, all in $RUN/console); the first:"
		tr -d '\r' <"$RUN/console" | ${GUEST_FILTER:-cat} | awk -v pat="$GUEST_SPLAT" '
			/laf: @start/ { at = $0 }
			!n && $0 ~ pat { print at; n = 1 }
			n && n++ <= 30' >&2
		wrong=1
	fi
	if grep -aq '^@fail' "$RUN/result"; then
		say "the guest says: $(grep -am3 '^@fail' "$RUN/result" | tr '\n' ';')"
		wrong=1
	fi
	grep -aqx '@done' "$RUN/result" && return $wrong
	free=$(df --output=avail -k "$RUN" | tail -n1)
	if [ "$rc" = timeout ]; then
		why="the guest did not end within $limit s; it was stopped"
	elif [ "$rc" != 0 ]; then
		why="QEMU ended with status $rc: $(head -n2 "$RUN/qemu.log" | paste -sd' ')"
	elif [ "$free" -lt 1024 ]; then
		why="the disk with $RUN is full, so the result is not whole"
	elif ! grep -aq '^@boot' "$RUN/result"; then
		why="the guest's kernel did not come up to its first program"
	else
		why="the guest ended half-way, after: $(grep -a '^@' "$RUN/result" | tail -n1)"
	fi
	if [ ! -s "$RUN/console" ]; then
		say "$why; its console is empty"
		return 1
	fi
	say "$why. The last lines of its console:"
	tail -n 15 "$RUN/console" | tr -d '\r' >&2
	return 1
}

# guest_tap RESULT PREFIX [bare]: what the programs of a result said in TAP, one
# line a test: "ok|skip|not ok PREFIX PROGRAM: TEST", what it saw under a "not ok";
# a program that ended badly, planned other tests than it ran, or ran none, is
# a "not ok" too. With 'bare', one that speaks no TAP is a test by its status.
guest_tap()
{
	awk -v prefix="$2" -v bare="${3:-}" '
	function out(how, name) {
		print how " " prefix " " prog ": " name
		if (how == "not ok")
			printf "%s", notes
		notes = ""
	}
	function finish(how, why) {
		if (bare && plan < 0 && !ran) {
			if (how == "exit 4") {
				sub(/.*\n *(# *)?/, "# ", last)
				out("skip", how " " last)
			} else if (how == "exit 0" && header)
				out("skip", "the program # it announced tests and ran none")
			else
				out(how == "exit 0" ? "ok" : "not ok", how)
			prog = ""
			return
		}
		if (!ran && !skipped)
			why = why (why ? ", " : "") "it ran no test"
		else if (plan >= 0 && plan != ran)
			why = why (why ? ", " : "") "it planned " plan " tests and ran " ran
		if (how != "exit 0" && how != "exit 4" && !failed)
			why = why (why ? ", " : "") how
		if (why != "") {
			print "not ok " prefix " " prog ": the program: " why
			printf "%s", tail
		}
		prog = ""
	}
	/^@start / { prog = $2; plan = -1; ran = failed = skipped = header = 0; run = notes = tail = last = "" ; next }
	/^@end / { $1 = $2 = ""; sub(/^ */, ""); finish($0, ""); next }
	prog == "" { next }
	/^ / {
		line = substr($0, 2)
		tail = tail "    " line "\n"
		if (line != "") last = "\n" line
		if (length(tail) > 2000) tail = substr(tail, length(tail) - 1500)
	}
	/^ TAP version / { header = 1 }
	/^ 1\.\.[0-9]+/ { plan = substr($1, 4) + 0; if (!plan) skipped = 1; if (/SKIP/) { sub(/.*SKIP */, ""); out("skip", "the program # " $0) } ; next }
	/^ # \[RUN\] / { run = substr($0, 10) ": "; sub(/^ */, "", run); next }
	/^ (not )?ok / {
		how = $1 == "ok" ? "ok" : "not ok"
		name = substr($0, 2)
		sub(/^(not )?ok +[0-9]* *(- )?/, "", name)
		ran++
		if (name ~ /# *(SKIP|skip|XFAIL)/) {
			# an expected failure is no pass
			sub(/# *(SKIP|skip) */, "# ", name)
			how = "skip"
		}
		if (how == "not ok") failed++
		out(how, run name)
		run = ""
		next
	}
	{
		notes = notes "    " substr($0, 2) "\n"
		if (length(notes) > 20000) notes = substr(notes, length(notes) - 15000)
	}
	END { if (prog != "") finish("did not end: the guest stopped in it", "") }
	' "$1"
}

# guest_tap_counts SUMMARY: passed, failed, skipped
guest_tap_counts()
{
	awk '/^ok / { p++ } /^not ok / { f++ } /^skip / { s++ } END { print p + 0, f + 0, s + 0 }' "$1"
}

# use_612: set STOCK612 to Debian's unpacked 6.12, the kernel to measure against
use_612()
{
	local id part=$BUILD/stock612.part

	need linux-source-6.12 xz-utils -- "mainline's 6.12, to compare with"
	STOCK612=$BUILD/stock612
	id=$(dpkg-query -W -f='${Version}' linux-source-6.12)
	lock stock612
	if [ "$(cat "$STOCK612/.laf-version" 2>/dev/null)" != "$id" ]; then
		rm -rf "$part"
		mkdir -p "$part"
		logged "$LOG/unpack612.log" "unpacks linux-source-6.12" tar -xf /usr/src/linux-source-6.12.tar.xz \
			-C "$part" --strip-components=1 --no-same-owner ||
			die "can't unpack linux-source-6.12: $(head -n1 "$LOG/unpack612.log")"
		echo "$id" >"$part/.laf-version"
		rm -rf "$STOCK612"
		mv "$part" "$STOCK612"
	fi
	unlock stock612
}
