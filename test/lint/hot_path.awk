# Counts what a function executes when its restartable section succeeds.
#
#	objdump -d --no-show-raw-insn FILE |
#		awk -v function_name=malloc [-v listing=1] -f hot_path.awk
#
# Prints: instructions, loads, stores (of memory; not ret's). With listing=1 the
# instructions instead. The way is the shortest one from the entry to a ret that
# passes the commit: the store behind which a conditional jump of the section
# lands. Nothing if there is no such way.

# number(HEX)
function number(hex,  i, n) {
	n = 0
	for (i = 1; i <= length(hex); i++)
		n = n * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
	return n
}

# 1 load, 2 store, 3 both, 0 none.
function access(op, args,  last) {
	if (op ~ /^(lea|nop|data16|endbr)/ || args !~ /\(|%fs:/)
		return op ~ /^push/ ? 2 : op ~ /^pop/ ? 1 : 0
	last = args ~ /\)$/ || args ~ /%fs:[^,]*$/
	if (!last || op ~ /^(cmp|test|bt|jmp|call)/)
		return 1
	return op ~ /^(mov|set)/ ? 2 : 3
}

function visit(state, from) {
	if (state in came_from)
		return
	came_from[state] = from
	queue[tail++] = state
}

# A state is an instruction, negative once the commit has been passed.
function follow(state,  i, side, next_i) {
	i = state < 0 ? -state : state
	side = state < 0 || (i in commit) ? -1 : 1
	if (op[i] !~ /^(jmp|ret|ud|call|hlt)/ && i + 1 <= n)
		visit(side * (i + 1), state)
	if (op[i] ~ /^j/ && (target[i] in at))
		visit(side * at[target[i]], state)
}

$0 ~ "^[0-9a-f]+ <" function_name ">:$" { inside = 1; next }
inside && /^$/ { exit }
inside && /^ *[0-9a-f]+:\t/ {
	text = $0
	sub(/^ *[0-9a-f]+:\t/, "", text)
	sub(/[ \t]*#.*$/, "", text)
	n++
	line[n] = text
	address = $1
	sub(/:/, "", address)
	at[number(address)] = n
	op[n] = text
	sub(/ .*/, "", op[n])
	args[n] = text
	sub(/^[^ ]+ */, "", args[n])
	sub(/[ \t]+$/, "", args[n])
	if (op[n] ~ /^j/) {
		where = args[n]
		sub(/ .*/, "", where)
		target[n] = number(where)
	}
	comment[n] = ""
	if ($0 ~ /#.*</) {
		comment[n] = $0
		sub(/.*</, "", comment[n])
		sub(/>.*/, "", comment[n])
	}
}

END {
	kind_name[1] = "load"
	kind_name[2] = "store"
	kind_name[3] = "both"
	for (i in target)
		if (op[i] !~ /^jmp/ && (target[i] in at))
			landed[at[target[i]]] = i
	for (i = 1; i < n; i++)
		if (access(op[i], args[i]) == 2 && (i + 1) in landed &&
		    landed[i + 1] < i)
			commit[i] = 1
	for (i in commit)
		comment[i] = "the commit"
	visit(1, 0)
	for (head = 0; head < tail && !found; head++) {
		if (queue[head] < 0 && op[-queue[head]] ~ /^ret/)
			found = queue[head]
		else
			follow(queue[head])
	}
	if (!found)
		exit
	for (state = found; state; state = came_from[state])
		way[++length_of] = state < 0 ? -state : state
	for (k = length_of; k > 0; k--) {
		kind = access(op[way[k]], args[way[k]])
		loads += kind % 2
		stores += kind >= 2
		if (listing) {
			text = sprintf("    %-36s %-5s %s", line[way[k]],
				kind_name[kind], comment[way[k]])
			sub(/ +$/, "", text)
			print text
		}
	}
	if (!listing)
		print length_of, loads, stores
}
