#!/bin/sh
# Runs inside the virtual machine, by busybox's shell. What to run comes from
# the kernel's command line:
#
#	pcm.set=all|some|none
#	pcm.seconds=N		for each stress
#	pcm.only=PATTERN	for the tests' names
#	pcm.had=N		the first N rows have been had
#	pcm.translated=0|1	the processor is: a hundred times slower
#
# The host reads these lines from the console:
#
#	pcm: machine KERNEL ONLINE POSSIBLE
#	pcm: start TEST|CONF
#	pcm: row TEST|CONF|MODE|RESULT|SECONDS|DETAIL
#	pcm: end
#
# RESULT is passed, failed or skipped; DETAIL what the program printed last.

# The value of NAME=VALUE on the kernel's command line, or $2.
option() {
	value=$(tr ' ' '\n' </proc/cmdline | sed -n "s/^pcm.$1=//p")
	echo "${value:-$2}"
}

set=$(option set all)
only=$(option only '*')
nhad=$(option had 0)
nth=0
PCM_STRESS_SECONDS=$(option seconds 3)
PCM_STRESS_LIMIT=300
translated=$(option translated 0)
PCM_STIR_SECONDS=$((PCM_STRESS_SECONDS + 4 * translated))
export PCM_STRESS_SECONDS PCM_STIR_SECONDS PCM_STRESS_LIMIT
library=/pcm/libpcmalloc.so
limit=240 patience=
if [ "$translated" = 1 ]; then
	limit=900 patience=/pcm/vm_patience.so
	PCM_STRESS_CHILD=150 # seconds until a forked child counts as hung
	export PCM_STRESS_CHILD
fi
ncpus=$(grep -c ^processor /proc/cpuinfo)
last=$((ncpus - 1))

wanted() {
	# shellcheck disable=SC2254 # it is a pattern
	case $1 in
	$only) return 0 ;;
	esac
	return 1
}

# due NAME: once for each row, whether it is to be run.
due() {
	wanted "$1" || return
	nth=$((nth + 1))
	[ $nth -gt "$nhad" ]
}

# row NAME CONF RESULT SECONDS DETAIL: the mode is what /tmp/out tells.
row() {
	modes=$(sed -n 's/^pcmalloc: mode: //p' /tmp/out | sort -u |
		tr '\n' '/')
	echo "pcm: row $1|$2|${modes%/}|$3|$4|$5"
}

# judge STATUS MODE: sets result. MODE is a pattern for the mode.
judge() {
	result=failed
	said=$(sed -n 's/^pcmalloc: mode: //p' /tmp/out | sort -u)
	case $1 in
	0)
		# shellcheck disable=SC2254 # it is a pattern
		case $said in
		$2) result=passed ;;
		*) echo "mode '$said', not '$2'" ;;
		esac
		;;
	77) result=skipped ;;
	esac
}

# run NAME CONF MODE COMMAND...: with the library, in that configuration.
run() {
	name=$1 conf=$2 want=$3
	shift 3
	due "$name" || return
	echo "pcm: start $name|$conf" >/dev/console
	began=$(cut -d. -f1 /proc/uptime)
	timeout -k 5 $limit env LD_PRELOAD="$library $patience" \
		PCMALLOC_CONF="$conf,stats:exit" "$@" >/tmp/out 2>&1
	status=$?
	took=$(($(cut -d. -f1 /proc/uptime) - began))
	judge $status "$want"
	detail=$(grep -vE '^(pcmalloc|seed): ' /tmp/out | tail -n 1)
	if [ $result = failed ]; then
		grep -v '^pcmalloc: class' /tmp/out | tail -n 25
		echo "status $status"
	fi
	row "$name" "$conf" $result $took "$detail"
}

# skip NAME CONF WHY
skip() {
	due "$1" || return
	: >/tmp/out
	row "$1" "$2" skipped 0 "$3"
}

# The index of a configuration, as the mode names it; nothing: no mm_cid here.
has_cid() {
	LD_PRELOAD=$library PCMALLOC_CONF=index:mm_cid,stats:exit \
		/pcm/small_work 2>&1 | grep -q '^pcmalloc: mode: .*mm_cid'
}

index_mode() {
	case $1 in
	rseq:off) echo "fallback, rseq switched off" ;;
	*) echo "per-CPU, glibc's registration, ${1#index:}" ;;
	esac
}

# stresses CONF NAME...
stresses() {
	conf=$1
	shift
	for name in "$@"; do
		run "stress_$name" "$conf" "$(index_mode "$conf")" \
			taskset -c "$stressed" "/pcm/stress_$name"
	done
}

# Offline and online, all CPUs but the first, in no order that the load knows.
# Every switch stops the whole machine for a moment: the load needs time, too.
switch_cpus() {
	nswitches=0
	while [ ! -e /tmp/stop ] && [ $nswitches -lt 100 ]; do
		nswitches=$((nswitches + 1))
		cpu=$((cpu + 3 + nswitches % 3 * 2))
		which=$((cpu % last + 1))
		state=/sys/devices/system/cpu/cpu$which/online
		read -r online <$state
		echo $((1 - online)) >$state 2>/dev/null &&
			echo x >>/tmp/switched
		sleep $pause
	done
	for state in /sys/devices/system/cpu/cpu*/online; do
		echo 1 >"$state" 2>/dev/null
	done
}

# under_switching NAME CONF MODE COMMAND...: run(), with CPUs that come and go.
under_switching() {
	wanted "$1" || return
	rm -f /tmp/stop /tmp/switched
	cpu=0
	switch_cpus &
	run "$@" >/tmp/run
	: >/tmp/stop
	wait
	n=$(wc -l </tmp/switched)
	sed "/^pcm: row/s/\$/; CPUs switched $n times/" /tmp/run
}

hotplug() {
	for conf in $indexes; do
		for name in twice pattern; do
			under_switching "hotplug_$name" "$conf" \
				"$(index_mode "$conf")" \
				taskset -c "$stressed" "/pcm/stress_$name"
		done
	done
}

# Affinity masks: slabs are made for the CPUs that are used and no others.
masks() {
	for conf in $confs; do
		mode=$(index_mode "$conf")
		least=1 most=2
		[ "$conf" != rseq:off ] || least=0 most=0
		run mask_two_cpus "$conf" "$mode" taskset -c 1,$last \
			/pcm/vm_slabs 64 $least $most
		[ "$conf" != rseq:off ] || continue
		# A thread for each CPU, or more: where nobody is bound there may be no slab.
		nthreads=64
		[ "$ncpus" -le 64 ] || nthreads=$ncpus
		[ "$conf" = index:mm_cid ] || least=$ncpus
		run all_cpus_bound "$conf" "$mode" \
			/pcm/vm_slabs "$nthreads" "$least" "$ncpus" bound
		run three_threads_moving "$conf" "$mode" \
			/pcm/vm_slabs 3 1 "$ncpus" moving
	done
}

scenarios() {
	for conf in $confs; do
		mode=$(index_mode "$conf")
		run s15_affinity "$conf" "$mode" /pcm/s15_affinity
		[ "$conf" != rseq:off ] || continue
		for name in s01_libc_owns s12_fork_under_load \
			s12_vfork_children s12_clone_vm s13_cancellation \
			s14_signal_storm s15_cpuset vm_fence; do
			run $name "$conf" "$mode" /pcm/$name
		done
		[ "$conf" != index:mm_cid ] || run s16_many_threads "$conf" \
			"$mode" /pcm/s16_many_threads
		# It takes every thread to every CPU: two will do.
		own="per-CPU, own registration, ${mode##*, }"
		run own:s02_own_registration "$conf" "$own" env \
			GLIBC_TUNABLES=glibc.pthread.rseq=0 \
			taskset -c 1,$last /pcm/s02_own_registration
		if [ "$translated" = 0 ]; then
			run s08_behind_our_back "$conf" "$mode" \
				/pcm/s08_behind_our_back
		else
			skip s08_behind_our_back "$conf" \
				"too slow for its number of signals"
		fi
	done
}

# Tables with room for 16 and 64 ids.
tables() {
	small="fallback, more CPU ids than the table has"
	ids=$(/pcm/cpu_ids)
	for n in 16 64; do
		library=/pcm/table_$n/libpcmalloc.so
		mode="per-CPU, *"
		[ "$ids" -le $n ] || mode=$small
		for name in stress_twice stress_fork; do
			run table_$n:$name index:auto "$mode" \
				taskset -c "$stressed" /pcm/$name
		done
	done
	library=/pcm/libpcmalloc.so
}

echo "pcm: machine $(uname -r) $(cat /sys/devices/system/cpu/online)" \
	"$(cat /sys/devices/system/cpu/possible)"
indexes=index:cpu_id
if has_cid; then
	indexes="index:cpu_id index:mm_cid"
fi
confs="$indexes rseq:off"
# Threads grow with the CPUs, so the slow machine's stress has every third.
stressed=$(seq 0 $((1 + 2 * translated)) $last | tr '\n' ',')
stressed=${stressed%,}
pause=0.1
[ "$translated" = 0 ] || pause=0.5
case $set in
all)
	for conf in $indexes; do
		stresses "$conf" twice migrate fork trim pattern
	done
	stresses rseq:off twice fork
	hotplug
	masks
	scenarios
	tables
	;;
some)
	for conf in $indexes; do
		stresses "$conf" twice fork
	done
	masks
	tables
	;;
esac
echo "pcm: end"
