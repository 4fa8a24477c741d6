#!/bin/sh
# node: worker threads, the thread pool's compression and hashing, buffers
# outside the JavaScript heap, child processes.
. "$(dirname "$0")/program_lib.sh"
need node

work()
{
	prove node -e 0
	run node "$HERE/workload.js" "$(size 300 20000)"
}

compare
