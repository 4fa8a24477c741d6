/*
 * A library to preload: alarms come ten times later than asked for. The tests
 * limit their own time to what a machine of today needs; where the processor is
 * translated they need more, and something else ends those that hang.
 */
#include <sys/syscall.h>
#include <unistd.h>

#define TIMES 10

unsigned int alarm(unsigned int seconds)
{
	return (unsigned int)syscall(SYS_alarm, seconds * TIMES) / TIMES;
}
