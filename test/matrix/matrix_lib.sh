# Sourced by matrix.sh: what a cell of the matrix is, how it is run, and the
# table.
#
# A cell is described by variables, which cell() sets back when it is done:
#
#	where		directory of a root; empty: this machine
#	programs	directory of the programs, as it is called there
#	preload		libraries to preload, there; empty: linked statically
#	conf		PCMALLOC_CONF, less stats:exit
#	launch		a command that runs the programs, there
#	settings	more variables for the environment
#	only		which programs, if not all that run with any libc
#	late		not empty: a filter must have been put on in mid-run
#	replaced	not empty: valgrind has put its malloc in place of ours
#	refused		not empty: registrations must have been refused
#	limit		seconds that a program may take
#	nstorm		how many threads a storm has
#
# Its variables are those of matrix.sh.
# shellcheck shell=sh disable=SC2034,SC2154

all_programs="cell_identity small_work detached_storm stress_pattern
	stress_migrate stress_twice stress_signal stress_churn stress_fork
	stress_trim"
# Programs of the system: where the preloaded library is for their libc.
glibc_programs="$all_programs real_work"

ncells=0 npassed=0 nfailed=0 nskipped=0

defaults() {
	where='' conf='' launch='' settings='' only='' late='' refused=''
	replaced=''
	limit=90 nstorm=3000
}

# quoted TEXT: as a field of a CSV file.
quoted() {
	printf '"%s"' "$(printf '%s' "$1" | sed 's/"/""/g')"
}

row() {
	printf '%s,%s,%s,%s,%s,%s,%s,%s,%s,%s\n' "$@" >>"$csv"
}

# arguments PROGRAM: its arguments in this table.
arguments() {
	case $1 in
	detached_storm) echo "$nstorm" ;;
	esac
}

# run PROGRAM: in this cell, with its output in $log.out and $log.err.
run() {
	set -- "$1" "$programs/$1" "$(arguments "$1")"
	log=$logs/$ncells.$1
	enter=
	[ -z "$where" ] || enter="$here/in_root.sh $where"
	# shellcheck disable=SC2086 # lists of words
	timeout -k 5 "$limit" $enter env PCM_STRESS_SECONDS="$seconds" \
		PCMALLOC_CONF="${conf:+$conf,}stats:exit" \
		PCM_STRESS_INSIDE=1 $settings $launch \
		${preload:+env} ${preload:+"LD_PRELOAD=$preload"} \
		"$2" $3 </dev/null >"$log.out" 2>"$log.err"
}

# is_complete PROGRAM: did what is in $log say all that it must?
is_complete() {
	if [ -z "$replaced" ] && ! grep -q '^pcmalloc: mode: ' "$log.err"; then
		echo "no statistics" >>"$log.err"
		return 1
	fi
	# Where its malloc is not called, it has not tried to register.
	[ -z "$replaced" ] || [ "$1" = cell_identity ] ||
		sed -i '/^pcmalloc: mode: /d' "$log.err"
	case $late$1 in
	yesstress_*)
		grep -q '^deny: the filter holds' "$log.err" && return
		echo "no filter was put on in mid-run" >>"$log.err"
		return 1
		;;
	esac
}

# sum NAME: of a line of the statistics, over all programs of the cell.
sum() {
	cat "$logs/$ncells".*.err | awk -v name="pcmalloc: $1: " '
		index($0, name) == 1 { n += substr($0, length(name) + 1) }
		END { print n + 0 }'
}

# libc_of_cell: what the identity program said.
libc_of_cell() {
	libc=$(sed -n 's/^libc: //p' "$logs/$ncells.cell_identity.out" |
		head -n 1)
	case $libc in
	musl) echo "musl $musl_version" ;;
	*) echo "$libc" ;;
	esac
}

# modes_of_cell: each once.
modes_of_cell() {
	cat "$logs/$ncells".*.err | sed -n 's/^pcmalloc: mode: //p' |
		sort -u | paste -sd '/' -
}

# check_mode PATTERN: every program said a mode that fits.
check_mode() {
	cat "$logs/$ncells".*.err | sed -n 's/^pcmalloc: mode: //p' |
		sort -u >"$logs/$ncells.modes"
	while read -r mode; do
		# shellcheck disable=SC2254 # it is a pattern
		case $mode in
		$1) ;;
		*)
			echo "  mode: $mode, not: $1"
			return 1
			;;
		esac
	done <"$logs/$ncells.modes"
	[ -s "$logs/$ncells.modes" ]
}

# run_programs: sets ran and passed.
run_programs() {
	ran=0 passed=0
	for program in ${only:-$all_programs}; do
		ran=$((ran + 1))
		status=0
		run "$program" || status=$?
		if [ $status -eq 0 ] && is_complete "$program"; then
			passed=$((passed + 1))
			continue
		fi
		echo "  $program: status $status"
		grep -hvE '^pcmalloc: |^deny: the filter holds' "$log.out" \
			"$log.err" | tail -n 5 | sed 's/^/    /'
	done
}

# wanted NAME: is the cell to be run?
wanted() {
	# shellcheck disable=SC2254 # it is a pattern
	case $1 in
	${PCM_MATRIX_ONLY:-*}) return 0 ;;
	esac
	return 1
}

# cell NAME PATTERN: runs the cell that the variables describe; its mode must
# fit the pattern.
cell() {
	if ! wanted "$1"; then
		defaults
		return
	fi
	ncells=$((ncells + 1))
	rm -f "$logs/$ncells".*
	run_programs
	result=passed
	check_mode "$2" || result=failed
	[ $passed -eq $ran ] || result=failed
	nrefused=$(sum "registrations refused")
	if [ -n "$refused" ] && [ "$nrefused" -eq 0 ]; then
		echo "  no registration was refused"
		result=failed
	fi
	count $result
	echo "$result  $1: $(modes_of_cell), $passed of $ran"
	last_libc=$(libc_of_cell)
	row "$(quoted "$1")" "$(quoted "$last_libc")" "$kernel" \
		"$(quoted "$(modes_of_cell)")" "$(sum "threads armed")" \
		"$(sum "threads armed again")" "$nrefused" "$passed" "$ran" \
		"$result"
	defaults
}

count() {
	case $1 in
	passed) npassed=$((npassed + 1)) ;;
	failed) nfailed=$((nfailed + 1)) ;;
	skipped) nskipped=$((nskipped + 1)) ;;
	esac
}

# not_a_cell NAME RESULT WHY [LIBC]: a line for what has no programs to run.
not_a_cell() {
	if wanted "$1"; then
		ncells=$((ncells + 1))
		count "$2"
		echo "$2  $1: $3"
		row "$(quoted "$1")" "$(quoted "${4:-}")" "$kernel" \
			"$(quoted "$3")" 0 0 0 0 0 "$2"
	fi
	defaults
}

table() {
	awk '
	function fields(line,   n, inside, i, c) {
		n = 1
		split("", field)
		for (i = 1; i <= length(line); i++) {
			c = substr(line, i, 1)
			if (c == "\"")
				inside = !inside
			else if (c == "," && !inside)
				n++
			else
				field[n] = field[n] c
		}
		return n
	}
	{
		n = fields($0)
		for (i = 1; i <= n; i++) {
			cell[NR, i] = field[i]
			if (length(field[i]) > width[i])
				width[i] = length(field[i])
		}
	}
	END {
		for (r = 1; r <= NR; r++) {
			line = ""
			for (i = 1; i <= n; i++)
				line = line sprintf("%-" width[i] "s  ",
					cell[r, i])
			sub(/ +$/, "", line)
			print line
		}
	}' "$csv"
}
