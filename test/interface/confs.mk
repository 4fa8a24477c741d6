# Rules for tests that run in several configurations of pcmalloc. Only
# definitions: included by every module.mk that needs them.
#
# build/test/DIR/NAME.CONF is a script of one line that runs build/test/DIR/NAME
# through test/interface/in_conf.sh.

TEST_CONFS := mm_cid cpu_id fallback
TEST_CONF_mm_cid := index:mm_cid
TEST_CONF_cpu_id := index:cpu_id
TEST_CONF_fallback := rseq:off
# The same where libc leaves rseq alone: the registration is pcmalloc's own.
TEST_CONF_own_mm_cid := -o index:mm_cid
TEST_CONF_own_cpu_id := -o index:cpu_id
# With the thread that gives memory back.
TEST_CONF_background := background:true
TEST_CONF_own_background := -o background:true
# As the library is without any configuration.
TEST_CONF_default := ''

# $(call in_conf,PROGRAM,CONF,FLAGS): the rule for one of them; FLAGS are those
# of in_conf.sh.
define in_conf
$(1).$(2): $(1) test/interface/in_conf.sh | $(B)/libpcmalloc.so
	printf '#!/bin/sh\nexec %s "$$$$@"\n' \
		"test/interface/in_conf.sh $(3) $(TEST_CONF_$(2)) $(1)" >$$@
	chmod +x $$@

endef

# $(call in_confs,PROGRAMS,FLAGS): the rules for all of them.
in_confs = $(foreach program,$(1),$(foreach conf,$(TEST_CONFS),\
	$(eval $(call in_conf,$(program),$(conf),$(2)))))

# $(call confs_of,PROGRAMS): their names.
confs_of = $(foreach program,$(1),$(addprefix $(program).,$(TEST_CONFS)))
