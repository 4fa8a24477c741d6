# Scenario 3, the libcs of this machine, statically and preloaded, and valgrind
# of scenario 17. Included by module.mk.

# Each is a script of one line.
LIBC_SCENARIOS := $(addprefix $(SCENARIOS)/s03_,static_glibc static_musl musl)

$(LIBC_SCENARIOS): test/scenarios/libcs.mk | $(B)/libpcmalloc.a
	@mkdir -p $(@D)
	printf '#!/bin/sh\nexec sh test/scenarios/s03_run.sh %s\n' \
		$(patsubst s03_%,%,$(@F)) >$@
	chmod +x $@

TESTS += $(LIBC_SCENARIOS)

# The tools that run a program on a processor of their own.
test/scenarios/s17_valgrind.sh: | $(B)/test/process/small_work \
	$(B)/test/stress/stress_signal $(B)/test/stress/stress_fork \
	$(B)/libpcmalloc.so
TESTS += test/scenarios/s17_valgrind.sh
