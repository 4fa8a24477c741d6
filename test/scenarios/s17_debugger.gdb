# Scenario 17: gdb steps through malloc and free until they return. Run by
# s17_debugger.sh, which says what must come out.

set pagination off
set confirm off
set startup-with-shell off

# From the first instruction of a function until it has returned.
define step_out
	set $steps = 0
	set $frame = $sp
	set $back = *(unsigned long *) $sp
	while $steps < 30000 && !($pc == $back && $sp > $frame)
		stepi
		set $steps = $steps + 1
	end
	if $pc == $back && $sp > $frame
		printf "\nstepped through %s in %d steps\n", $arg0, $steps
	end
end

break *call_malloc
break *call_free
run
step_out "malloc"
# The other block.
continue
continue
step_out "free"
printf "\nwent on\n"
delete
continue
