/*
 * depot: what homes know of each other: room, and who takes again what it frees.
 */
#include "depot_kit.h"

#include "home.h"
#include "percpu.h"
#include "shard.h"

/* A size that libcheck has no use for. */
#define SIZE 1000

static unsigned int class;

/* First of all in a test: libcheck itself allocates before. */
static void start(void)
{
	pcm_size_class_use_all();
	class = pcm_size_class_of(SIZE);
	while (pcm_capacity(class) == 0)
		pcm_capacity_miss(class, 0);
	pcm_depot_drain();
	hold(ALL_MOST * 16);
}

/* One more set of magazines, so that a home's share is less than all. */
static void second_set(void)
{
	void *obj;

	if (pcm_percpu_nsets() < 2)
		must(!pcm_shard_pop(class, &obj));
	must(pcm_percpu_nsets() >= 2);
}

/* Home 0 puts a full magazine. True: it is kept. */
static bool keeps_one(void)
{
	size_t before = pcm_depot_nobjs(class);

	put_magazines(class, 1);
	return pcm_depot_nobjs(class) > before;
}

/* Home 1 has a quarter of what all may have, and home 0 the rest. */
static void fill_two_homes(void)
{
	size_t quarter = bound_for_all() / 4 / pcm_size_class[class].size;

	while (pcm_depot_nobjs(class) < quarter)
		pcm_depot_put(class, 1, magazine(class, nslots(class)));
	while (keeps_one())
		continue;
}

static void make_room_at_home_1(void)
{
	void **mag = pcm_depot_get_full(class, 1, PCM_MAG_NONE);

	must(mag != PCM_MAG_NONE);
	pcm_mag_delete(pcm_depot_flush(class, mag));
}

/* What it frees for others is kept as soon as there is room. */
START_TEST(looks_each_time)
{
	start();
	second_set();
	fill_two_homes();
	must(!pcm_home_reuses(0, class));
	make_room_at_home_1();
	must(keeps_one());
	must(!keeps_one());
}
END_TEST

/* Who takes again what it frees does not look for room with others each time. */
START_TEST(looks_now_and_then)
{
	unsigned int i;

	start();
	second_set();
	fill_two_homes();
	pcm_homes[0].depot[class].reuse = PCM_REUSE_MAX;
	must(!keeps_one());
	must(pcm_home_reuses(0, class));
	while (atomic_load(&pcm_homes[0].skip) > 0)
		must(!keeps_one());
	must(!keeps_one());
	make_room_at_home_1();
	for (i = 0; i < 8; i++)
		must(!keeps_one());
	must(keeps_one());
}
END_TEST

/* Whose bit says that it reuses follows the count, which anybody may have changed. */
START_TEST(reuse_is_told)
{
	unsigned int i;

	start();
	for (i = 1; i <= PCM_REUSE_MUCH / PCM_REUSE_ASKED; i++) {
		must(!pcm_home_reuses(2, class));
		pcm_depot_get_full(class, 2, PCM_MAG_NONE);
	}
	must(pcm_home_reuses(2, class));
	must(!pcm_home_reuses(1, class) && !pcm_home_reuses(2, class + 1));
	atomic_store(&pcm_home_reusing[class], 0);
	pcm_depot_get_full(class, 2, PCM_MAG_NONE);
	must(pcm_home_reuses(2, class));
	pcm_depot_decay();
	must(!pcm_home_reuses(2, class));
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("depot_homes");

	tcase_add_test(tests, looks_each_time);
	tcase_add_test(tests, looks_now_and_then);
	tcase_add_test(tests, reuse_is_told);
	return unit_end();
}
