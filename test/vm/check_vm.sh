#!/bin/sh
# pcmalloc in virtual machines with many CPUs, on several kernels:
#
#	PCM_BUILD=BUILD sh test/vm/check_vm.sh
#
# `make check-vm` builds and calls it. The table goes to fd 1 and to
# BUILD/vm/vm.csv. Environment:
#	PCM_VM_ONLY	pattern for the machines' names
#	PCM_VM_TESTS	pattern for the tests' names
#	PCM_VM_SECONDS	length of each stress
#	PCM_VM_LIMIT	seconds that a machine may take
#	PCM_VM_SILENCE	seconds without a line from it until its kernel counts as hung
#	PCM_VM_ACCEL	kvm or tcg; else what works
#
# The machine that runs listens for qemu's commands on BUILD/vm/monitor: `stop`
# halts it, its clock too, and `cont` lets it go on, where the host is needed for
# something else for a while (socat - UNIX-CONNECT:build/vm/monitor), but not for longer
# than PCM_VM_SILENCE.
#
# kvm is used where a kernel really starts on it: /dev/kvm may be there and run
# only guests that know it. Otherwise qemu translates: the virtual CPUs are
# threads then, and run in parallel as far as the host has CPUs; the stress
# programs, whose threads grow with the CPUs, use every third then. A translated
# kernel can die where it patches its own code, which other virtual CPUs may then
# meet half written. Or it hangs: they go on executing the int3 that was there for a
# moment, from a translation of it, although the memory has long had the new
# instruction (Linux 5.10 in get_page_from_freelist(), at the test whether there are
# cpusets; looked at with `info registers -a` and `x/16i` in qemu's monitor). (A program
# that hangs is ended in the machine, sooner than PCM_VM_SILENCE.) The rows that are
# left are had in a new machine then, that one again and first. A row fails where its
# second machine dies, too.
set -u

: "${PCM_BUILD:?}"
vm=$PCM_BUILD/vm
csv=$vm/vm.csv
console=$vm/console
npassed=0 nfailed=0 nskipped=0

# Messages of the boot, calibrating and watching for stalls make no sense on a
# host that has fewer CPUs; the clock is one that follows the host's.
append="console=ttyS0 quiet panic=-1 lpj=4000000 tsc=unstable clocksource=hpet"
append="$append no_timer_check mitigations=off nokaslr nowatchdog"
append="$append rcupdate.rcu_cpu_stall_suppress=1"
translated=0

# In the background qemu does not see an interrupt.
qemu=
trap '[ -z "$qemu" ] || kill "$qemu"' EXIT
trap 'exit 1' HUP INT TERM

# watch PID: ends the machine when it has been silent for too long.
watch() {
	while kill -0 "$1" 2>/dev/null; do
		silent=$(($(date +%s) - $(stat -c %Y "$console")))
		if [ $silent -gt "${PCM_VM_SILENCE:-1000}" ]; then
			printf '\npcm: hung\n' >>"$console"
			kill "$1"
		fi
		sleep 1
	done
}

# boot SECONDS SUITE SMP OPTIONS: the console is in $console.
boot() {
	: >"$console"
	# shellcheck disable=SC2086 # a list of words
	timeout -k 5 "$1" qemu-system-x86_64 $accel -cpu max -smp "$3" -m 2G \
		-nodefaults -no-user-config -display none -no-reboot \
		-monitor "unix:$vm/monitor,server=on,wait=off" \
		-serial stdio -kernel "$vm/$2/vmlinuz" \
		-initrd "$vm/initramfs.gz" \
		-append "$append $4" </dev/null >>"$console" \
		2>"$vm/qemu.err" &
	qemu=$!
	watch $qemu &
	wait $qemu 2>/dev/null
	ended=$?
	qemu=
	wait
	return $ended
}

choose_accelerator() {
	if [ "${PCM_VM_ACCEL:-kvm}" = kvm ] && [ -w /dev/kvm ]; then
		accel="-accel kvm"
		boot 40 trixie 2 pcm.set=none
		if grep -q '^pcm: end' "$console"; then
			echo "accelerator: kvm"
			return
		fi
		echo "/dev/kvm does not start Debian's kernel"
	fi
	accel="-accel tcg,thread=multi"
	: "${PCM_VM_SECONDS:=1}" "${PCM_VM_LIMIT:=3600}"
	translated=1
	echo "accelerator: tcg"
}

# row KERNEL CPUS TEST CONF MODE RESULT SECONDS DETAIL
row() {
	case $6 in
	passed) npassed=$((npassed + 1)) ;;
	skipped) nskipped=$((nskipped + 1)) ;;
	*) nfailed=$((nfailed + 1)) ;;
	esac
	detail=$(printf '%s' "$8" | tr '"' "'")
	printf '%s,%s,%s,%s,"%s",%s,%s,"%s"\n' "$1" "$2" "$3" "$4" "$5" "$6" \
		"$7" "$detail" >>"$csv"
	printf '%-8s %-6s %-26s %-12s %-42s %s\n' "$1" "$2" "$3" "$4" "$5" "$6"
}

# The rows that the machine has printed.
read_console() {
	tr -d '\r' <"$console" >"$console.text"
	kernel=$(sed -n 's/^pcm: machine \([0-9.]*[0-9]\).*/\1/p' \
		"$console.text" | cut -d. -f1-3)
	while IFS='|' read -r name conf mode result took detail; do
		[ -n "$name" ] || continue # no rows at all
		row "${kernel:-?}" "$1" "${name#pcm: row }" "$conf" "$mode" \
			"$result" "$took" "$detail"
	done <<-EOF
		$(grep '^pcm: row ' "$console.text")
	EOF
	nhad=$(grep -c '^pcm: row ' "$console.text")
	if grep -qE '\|failed\||BUG:|Oops|Kernel panic' "$console.text" ||
		! grep -q '^pcm: end' "$console.text"; then
		echo "  console:"
		tail -n 40 "$console.text" | sed 's/^/    /'
	fi
}

# died CPUS WHY: what the machine began and did not end failed.
died() {
	begun=$(sed -n 's/^pcm: start //p' "$console.text" | tail -n 1)
	row "${kernel:-?}" "$1" "${begun%%|*}" "${begun#*|}" "" failed "" \
		"the machine did not end: $2"
}

# machine NAME SUITE SMP SET: CPUS in the table is SMP without its words.
machine() {
	# shellcheck disable=SC2254 # it is a pattern
	case $1 in
	${PCM_VM_ONLY:-*}) ;;
	*) return ;;
	esac
	began=$(date +%s)
	nhad_before=0 first=1
	cpus=$(echo "$3" | sed 's/,maxcpus=/ of /')
	while :; do
		boot "${PCM_VM_LIMIT:-900}" "$2" "$3" "pcm.set=$4 \
pcm.seconds=${PCM_VM_SECONDS:-3} pcm.translated=$translated \
pcm.only=${PCM_VM_TESTS:-*} pcm.had=$nhad_before"
		status=$?
		cp "$console" "$vm/console.$1"
		read_console "$cpus"
		grep -q '^pcm: end' "$console.text" && break
		if [ $translated = 0 ] || [ $((first + nhad)) = 0 ] ||
			! grep -qE '^pcm: hung|Kernel panic' "$console.text"; then
			died "$cpus" "qemu's exit status $status"
			break
		fi
		echo "  its kernel died or hung: the rows that are left, in a new one"
		nhad_before=$((nhad_before + nhad)) first=0
	done
	echo "  $1: $(($(date +%s) - began)) s"
}

mkdir -p "$vm"
echo "kernel,CPUs,test,configuration,mode,result,seconds,detail" >"$csv"
choose_accelerator
machine bullseye-32 bullseye 32 all
machine bookworm-32 bookworm 32 all
machine trixie-32 trixie 32 all
machine trixie-72 trixie 72 some
machine trixie-4 trixie 4,maxcpus=64 some
machine trixie-4-128 trixie 4,maxcpus=128 some
echo "$npassed runs passed, $nfailed failed, $nskipped skipped"
[ $nfailed -eq 0 ] && [ $npassed -gt 0 ]
