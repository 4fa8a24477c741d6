#!/bin/sh
# java and javac: the same classes from the same source; threads, memory outside
# the Java heap, compression, and child processes (their launcher allocates in
# a vfork child).
. "$(dirname "$0")/program_lib.sh"
need java javac

work()
{
	export JAVA_TOOL_OPTIONS="-Xmx512m -XX:-UsePerfData"
	prove java -version
	prove javac -version
	mkdir out/classes
	run javac -d out/classes "$HERE/Workload.java" 2>javac.log ||
		{ cat javac.log; exit 1; }
	run java -cp out/classes Workload "$(size 200 5000)" 2>java.log ||
		{ cat java.log; exit 1; }
	grep '^pcmalloc:' javac.log java.log >&2 || :
}

compare
