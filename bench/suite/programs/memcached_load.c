/*
 * The client of the memcached test: sets, replaces, reads and deletes keys of
 * many sizes over several connections, in batches, the same requests every time.
 *
 * memcached_load SOCKET ROUNDS
 *
 * A batch ends with "mn", which the server answers when it has answered all that
 * came before. Prints how many keys were read and their bytes.
 */
#include "measure.h"

#include <sys/socket.h>
#include <sys/un.h>

enum {
	NCONNECTIONS = 16,
	NREQUESTS = 40, /* in a batch */
	NKEYS = 20000,
	VALUE_MAX_BYTES = 4000,
	BATCH_BYTES = NREQUESTS * (VALUE_MAX_BYTES + 100),
};

static char batch[BATCH_BYTES];
static char answer[BATCH_BYTES];
static char filler[VALUE_MAX_BYTES];
static unsigned long nfound, nbytes;

static int open_connection(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		measure_die("memcached_load: cannot connect");
	return fd;
}

static void send_all(int fd, const char *text, size_t left)
{
	while (left > 0) {
		ssize_t n = write(fd, text, left);

		if (n <= 0)
			measure_die("memcached_load: cannot write");
		text += n;
		left -= (size_t)n;
	}
}

/* Reads until the server has answered the batch's "mn". */
static size_t receive(int fd)
{
	static const char end[] = "MN\r\n";
	const size_t nend = sizeof(end) - 1;
	size_t have = 0;

	while (have < nend || memcmp(answer + have - nend, end, nend) != 0) {
		ssize_t n = read(fd, answer + have, sizeof(answer) - have - 1);

		if (n <= 0)
			measure_die("memcached_load: cannot read");
		have += (size_t)n;
	}
	answer[have] = '\0';
	if (strstr(answer, "ERROR") != NULL)
		measure_die("memcached_load: the server reports an error");
	return have;
}

/* Small values are frequent, large ones rare. */
static size_t value_bytes(uint64_t random)
{
	size_t limit = (size_t)VALUE_MAX_BYTES >> (random >> 40) % 6;

	return 1 + (random >> 48) % limit;
}

static size_t add_request(char *at, size_t room, uint64_t random)
{
	unsigned key = (unsigned)(random % NKEYS);
	size_t n = value_bytes(random);
	int length;

	switch ((random >> 32) % 8) {
	case 0: case 1: case 2: case 3:
		length = snprintf(at, room, "get key:%u\r\n", key);
		break;
	case 4:
		length = snprintf(at, room, "delete key:%u\r\n", key);
		break;
	default:
		length = snprintf(at, room, "set key:%u 0 0 %zu\r\n%.*s\r\n",
				  key, n, (int)n, filler);
	}
	return (size_t)length;
}

static void count_answers(void)
{
	for (char *at = answer; (at = strstr(at, "VALUE ")) != NULL; at++) {
		char *size = strchr(at + strlen("VALUE "), ' ');

		if (size == NULL || (size = strchr(size + 1, ' ')) == NULL)
			measure_die("memcached_load: not understood");
		nbytes += strtoul(size, NULL, 10);
		nfound++;
	}
}

static void run_batch(int fd, uint64_t *state)
{
	size_t have = 0;

	for (int i = 0; i < NREQUESTS; i++)
		have += add_request(batch + have, sizeof(batch) - have,
				    measure_random(state));
	have += (size_t)snprintf(batch + have, sizeof(batch) - have, "mn\r\n");
	send_all(fd, batch, have);
	receive(fd);
	count_answers();
}

int main(int argc, char **argv)
{
	int connections[NCONNECTIONS];
	uint64_t state = 1;
	long nrounds;

	if (argc != 3)
		measure_die("usage: memcached_load SOCKET ROUNDS");
	nrounds = strtol(argv[2], NULL, 10);
	memset(filler, 'v', sizeof(filler));
	for (int i = 0; i < NCONNECTIONS; i++)
		connections[i] = open_connection(argv[1]);
	for (long round = 0; round < nrounds; round++)
		for (int i = 0; i < NCONNECTIONS; i++)
			run_batch(connections[i], &state);
	printf("found %lu\nbytes %lu\n", nfound, nbytes);
	return 0;
}
