/*
 * pulse: how long it stays active, told in ticks.
 */
#include "unit.h"

#include "pulse.h"

/* allocator/pulse.c: MORE_TICKS, and what is much at once. */
#define TICKS 6
#define MUCH ((size_t)64 << 20)
#define ENOUGH ((size_t)4 << 20) /* not more than that */
#define COUNTED ((size_t)64 << 10)

static void tick(int n)
{
	while (n-- > 0)
		pcm_pulse_tick();
}

/* All of them are still to come. */
static void use_up_ticks(void)
{
	tick(TICKS - 1);
	must(pcm_pulse_active());
	tick(1);
	must(!pcm_pulse_active());
}

START_TEST(inactive_at_first)
{
	must(!pcm_pulse_active());
	pcm_pulse_freed(0, 0, MUCH);
	must(!pcm_pulse_active());
}
END_TEST

START_TEST(active_for_some_ticks)
{
	pcm_pulse_freed(MUCH, 0, 0);
	use_up_ticks();
}
END_TEST

/* Whenever more is freed: it has to be idle for two ticks to be found. */
START_TEST(freed_while_active)
{
	int before;

	for (before = 0; before < TICKS; before++) {
		pcm_pulse_freed(MUCH, 0, 0);
		tick(before);
		pcm_pulse_freed(MUCH, 0, 0);
		use_up_ticks();
	}
}
END_TEST

/* The same for what leaves the CPUs' caches and not yet its spans. */
START_TEST(cached_while_active)
{
	pcm_pulse_left(1, COUNTED - 1);
	pcm_pulse_left(0, ENOUGH);
	must(!pcm_pulse_active());
	pcm_pulse_left(1, 1);
	must(pcm_pulse_active());
	tick(TICKS - 1);
	pcm_pulse_left(0, COUNTED);
	tick(TICKS - 1);
	must(pcm_pulse_active());
	pcm_pulse_came(0);
	pcm_pulse_left(0, COUNTED);
	tick(1);
	must(!pcm_pulse_active());
}
END_TEST

/* What comes back to a home undoes what has left that one, and no other. */
START_TEST(by_home)
{
	pcm_pulse_left(1, COUNTED - 1);
	pcm_pulse_came(0);
	pcm_pulse_left(0, ENOUGH);
	pcm_pulse_left(1, 1);
	must(pcm_pulse_active());
	tick(TICKS);
	must(!pcm_pulse_active());
	pcm_pulse_left(1, COUNTED - 1);
	pcm_pulse_came(1);
	pcm_pulse_left(0, ENOUGH);
	pcm_pulse_left(1, 1);
	must(!pcm_pulse_active());
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("pulse");

	tcase_add_test(tests, inactive_at_first);
	tcase_add_test(tests, active_for_some_ticks);
	tcase_add_test(tests, freed_while_active);
	tcase_add_test(tests, cached_while_active);
	tcase_add_test(tests, by_home);
	return unit_end();
}
