# Scenario 17: gdb records the execution of malloc and free, which it does by
# stepping through every instruction. Run by s17_debugger.sh.

set pagination off
set confirm off
set startup-with-shell off

break begin_record
run
break end_record
record full
continue
info record
record stop
delete
continue
