/*
 * rseq_section: an abort at every instruction of every section.
 *
 * A combination is a section, the state of the stacks, an instruction of the
 * function that holds the section, a way of stopping there, and what happens in
 * the signal handler: nothing, a migration, sections on the same words, the end
 * of the registration. After each, memory is compared with a record that was
 * kept by the book (section_model.h): before the commit nothing may have
 * changed, after it the operation is done, and no object is lost or doubled.
 */
#include "section_paths.h"

#include "rseq_thread.h"
#include "single_step.h"

#if HAVE_SINGLE_STEP

/* A foreign registration is gone: visits until a refused thread is back. */
#define VISITS_MAX 8

/* Runs that are preempted before they come to the trap. */
#define TRIES_MAX 1000

struct action {
	const char *name;
	void (*act)(void);
	/* After the interrupted section, if not registered any more. */
	void (*after)(void);
	const char *script; /* for act == play */
	bool moves;
	unsigned int states; /* bit set: not in this state */
};

struct combination {
	enum section section;
	unsigned int state;
	enum trap_kind kind;
	unsigned int i;
	const struct action *action;
};

static struct combination now;
static const struct trap_path *path;
static struct pcm_rseq_area foreign;

/* The interrupted section. */
static struct {
	void *in, *out, *expected;
	bool committed, aborted, met;
	int copy; /* of the index after the handler */
} op;

static void nothing(void)
{
}

static void move(void)
{
	must(paths_move());
}

/*
 * As if the scheduler had given the thread another concurrency id, which it
 * does for a single thread rarely: the kernel corrects it when it next runs.
 */
static void renumber(void)
{
	*(volatile uint32_t *)&paths_area->mm_cid ^= 1;
}

/* A letter for each section; m: to the other CPU. */
static void play(void)
{
	static const char letters[NSECTIONS + 1] = "pqxPQ";
	const char *s;

	for (s = now.action->script; *s; s++) {
		if (*s == 'm')
			move();
		else
			model_run((enum section)(strchr(letters, *s) - letters),
				  paths_area, NULL);
	}
}

static void unregister(void)
{
	must(paths_unregister(paths_area) == 0);
}

static void make_foreign(void)
{
	unregister();
	foreign.cpu_id = -1;
	must(paths_register(&foreign) == 0);
}

static void register_again(void)
{
	must(pcm_rseq_arm());
}

static void unregister_and_register(void)
{
	unregister();
	register_again();
}

/* Not registered: nothing works, wherever the index seems to lead. */
static void must_all_fail(void)
{
	unsigned int section;

	for (section = 0; section < NSECTIONS; section++)
		must(!model_run((enum section)section, paths_area, NULL));
	model_check(op.in);
}

static void fail_then_arm(void)
{
	must_all_fail();
	register_again();
}

static void fail_while_foreign(void)
{
	unsigned int visits = 1;

	must_all_fail();
	must(!pcm_rseq_arm());
	must_all_fail();
	must(paths_unregister(&foreign) == 0);
	while (!pcm_rseq_arm())
		must(visits++ < VISITS_MAX);
}

#define BUT_GONE (1u << GONE)
#define ONLY_GONE (BUT_GONE - 1)

static const struct action actions[] = {
	{ "nothing", nothing, NULL, NULL, false, 0 },
	{ "migration", move, NULL, NULL, true, 0 },
	{ "another concurrency id", renumber, NULL, NULL, false, 0 },
	{ "pop", play, NULL, "p", false, 0 },
	{ "push", play, NULL, "q", false, 0 },
	{ "exchange", play, NULL, "x", false, 0 },
	{ "pop, push", play, NULL, "pq", false, 0 },
	{ "push, pop", play, NULL, "qp", false, 0 },
	{ "pop, pop, push", play, NULL, "ppq", false, 0 },
	{ "exchange twice", play, NULL, "xx", false, 0 },
	{ "pop spare", play, NULL, "P", false, 0 },
	{ "push spare", play, NULL, "Q", false, 0 },
	{ "pop spare, push, pop spare", play, NULL, "PqP", false, 0 },
	{ "migration, pop and back", play, NULL, "mpm", true, 0 },
	{ "migration, push, pop, exchange", play, NULL, "mqpx", true, 0 },
	{ "unregistered", unregister, fail_then_arm, NULL, false, BUT_GONE },
	{ "unregistered, registered again", unregister_and_register, NULL,
	  NULL, false, BUT_GONE },
	{ "unregistered, another area registered", make_foreign,
	  fail_while_foreign, NULL, false, BUT_GONE },
	{ "registered", register_again, NULL, NULL, false, ONLY_GONE },
};

/* The ways out share their last instructions: memory tells which one it was. */
static void observe_commit(unsigned int i)
{
	op.committed = i >= path->committed && model_changed();
	if (op.committed)
		model_observe(now.section, op.in, &op.expected);
}

static void met(bool aborted)
{
	bool registered = now.state != GONE;

	must(aborted == (registered && trap_inside(path, now.i)));
	op.met = true;
	op.aborted = aborted;
	observe_commit(now.i);
	now.action->act();
	op.copy = model_current(paths_area);
}

/*
 * Committed: done. Aborted: not done. Stopped before the section, or in one of
 * a thread that was not registered: it went on, and memory tells.
 */
static void must_agree(bool done)
{
	int copy = model_current(paths_area), used;

	if (op.committed || op.aborted) {
		must(done == op.committed);
	} else if (done) {
		used = (int)model_observe(now.section, op.in, &op.expected);
		must(used == copy || copy != op.copy);
	}
	if (done && !model_pushes(now.section))
		must(op.out == op.expected);
}

/* Runs the section until it meets the trap: it may be preempted before. */
static bool run_into_trap(void)
{
	unsigned int tries = 0;
	bool done;

	op.met = false;
	trap_set(now.kind, path, now.i, met);
	do
		done = section_run(now.section, paths_area, op.in, &op.out);
	while (!op.met && !done && ++tries < TRIES_MAX);
	must(op.met);
	return done;
}

static void end_gone(void)
{
	if (now.state == GONE && paths_area->cpu_id < 0) {
		must_all_fail();
		register_again();
	}
}

static void combine(void)
{
	bool done;

	model_init(now.state == GONE ? model_typical(now.section) :
				       (enum model_fill)now.state);
	path = &paths_of[now.section][now.state];
	op.in = model_input(now.section);
	if (now.state == GONE)
		unregister();
	done = run_into_trap();
	must_agree(done);
	model_check(op.in);
	if (now.action->after)
		now.action->after();
	end_gone();
	model_run(now.section, paths_area, done ? NULL : op.in);
	model_check(op.in);
}

static void note(void)
{
	static const char *const kinds[] = { "fault", "breakpoint" };
	static const char *const fields[] = { "cpu_id", "mm_cid" };

	snprintf(paths_now->text, sizeof(paths_now->text),
		 "%s, %s, %s, %s at instruction %u of %u%s, %s",
		 fields[pcm_rseq_index_field !=
			offsetof(struct pcm_rseq_area, cpu_id)],
		 section_names[now.section], paths_state_name(now.state),
		 kinds[now.kind], now.i, paths_of[now.section][now.state].n,
		 trap_inside(&paths_of[now.section][now.state], now.i) ?
			 " (inside)" : "",
		 now.action->name);
}

static void each_instruction(void)
{
	const struct trap_path *all = &paths_of[now.section][now.state];
	unsigned int kind;

	for (now.i = 0; now.i < all->n; now.i++) {
		for (kind = TRAP_FAULT; kind <= TRAP_BREAKPOINT; kind++) {
			now.kind = (enum trap_kind)kind;
			note();
			combine();
			paths_now->done++;
			if (trap_inside(all, now.i))
				paths_now->inside++;
		}
	}
}

static bool applies(bool moves)
{
	if (now.action->act == renumber)
		return paths_cid_writable();
	return (moves || !now.action->moves) &&
		!(now.action->states & (1u << now.state));
}

/* Loop tests: a section and an index field. */
static bool begin(int loop)
{
	now.section = (enum section)(loop % NSECTIONS);
	return paths_init(loop >= NSECTIONS);
}

START_TEST(abort_at_each_instruction)
{
	bool moves;
	size_t k;

	if (!begin(_i))
		return;
	moves = paths_move();
	for (now.state = 0; now.state < NSTATES; now.state++) {
		for (k = 0; k < PCM_ARRAY_LEN(actions); k++) {
			now.action = &actions[k];
			if (applies(moves))
				each_instruction();
		}
	}
}
END_TEST

/* The store that others see is the section's last instruction, on each way. */
START_TEST(commit_is_last)
{
	const struct trap_path *p;
	unsigned int state;
	bool commits;

	if (!begin(_i))
		return;
	for (state = 0; state < NSTATES; state++) {
		p = &paths_of[now.section][state];
		commits = state != GONE &&
			model_works(now.section, (enum model_fill)state);
		must(commits == (p->committed < p->n));
		if (!commits)
			continue;
		must(p->at[p->committed] ==
		     p->descriptor->start + p->descriptor->length);
		must(trap_inside(p, p->committed - 1));
	}
}
END_TEST

/*
 * A handler registers the thread at an instruction where it was found not to be
 * registered, and is followed by a second one at each later instruction, which
 * uses the same words: a section that goes on must be under protection again.
 */
static unsigned int second;

static void met_second(bool aborted)
{
	op.aborted = aborted;
	observe_commit(second);
	model_run(now.section, paths_area, NULL);
	op.copy = model_current(paths_area);
}

static void met_first(bool aborted)
{
	must(!aborted);
	op.met = true;
	register_again();
	op.copy = model_current(paths_area);
	path = &paths_of[now.section][model_typical(now.section)];
	trap_set(TRAP_FAULT, path, second, met_second);
}

static void register_within(void)
{
	bool done;

	snprintf(paths_now->text, sizeof(paths_now->text),
		 "%s registered at instruction %u, interrupted at %u",
		 section_names[now.section], now.i, second);
	model_init(model_typical(now.section));
	op.in = model_input(now.section);
	op.committed = op.aborted = op.met = false;
	unregister();
	trap_set(TRAP_FAULT, &paths_of[now.section][GONE], now.i, met_first);
	done = section_run(now.section, paths_area, op.in, &op.out);
	must(op.met);
	trap_clear(); /* the second may lie before the first */
	must_agree(done);
	model_check(op.in);
	paths_now->done++;
}

START_TEST(registered_within)
{
	const struct trap_path *all;

	if (!begin(_i))
		return;
	paths_move();
	all = &paths_of[now.section][model_typical(now.section)];
	for (now.i = 0; now.i < paths_of[now.section][GONE].n; now.i++)
		for (second = 0; second < all->n; second++)
			register_within();
}
END_TEST

/*
 * A debugger that steps through aborts the section at its first instruction,
 * and gets out of it: no loop.
 */
static void call_stepped(void)
{
	must(!section_run(now.section, paths_area, op.in, &op.out));
}

START_TEST(stepped_through)
{
	static struct trap_path stepped;
	enum model_fill state;

	if (!begin(_i))
		return;
	state = model_typical(now.section);
	model_init(state);
	op.in = model_input(now.section);
	trap_learn(&stepped, (const void *)paths_of[now.section][state].at[0],
		   call_stepped,
		   (const volatile uintptr_t *)&lab_copies[0].word[LAB_WORD]);
	must(stepped.committed == stepped.n);
	model_check(op.in);
	must(model_run(now.section, paths_area, op.in));
	model_check(NULL);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("rseq_abort");
	int status;

	paths_begin();
	tcase_add_loop_test(tests, commit_is_last, 0, 2 * NSECTIONS);
	tcase_add_loop_test(tests, abort_at_each_instruction, 0, 2 * NSECTIONS);
	tcase_add_loop_test(tests, registered_within, 0, 2 * NSECTIONS);
	tcase_add_loop_test(tests, stepped_through, 0, 2 * NSECTIONS);
	status = unit_end();
	paths_report("abort", status != EXIT_SUCCESS);
	return status;
}

#else

int main(void)
{
	testing_skip("no sections for this architecture");
}

#endif
