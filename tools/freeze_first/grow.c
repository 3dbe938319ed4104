/*
 * grow: a workload whose memory grows by RATE MiB/s from START to CAP MiB, and then stays.
 *
 * Every page is written, with a number that depends on its place. Says " ready " at START.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MIB (1L << 20)

static double
now(void)
{
	struct timespec	ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int
main(void)
{
	long	 start = atol(getenv("START")), cap = atol(getenv("CAP")), size = 0;
	double	 rate = atof(getenv("RATE")), began = 0, last, wanted;
	char	*memory;

	memory = mmap(NULL, (size_t)(cap * MIB), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED) {
		perror("grow");
		return 1;
	}
	for (; size < start; size++)
		memset(memory + size * MIB, (int)(size % 251) + 1, MIB);
	printf("grow: ready now\n");
	fflush(stdout);
	last = now();
	for (;;) {
		usleep(5000);
		/* Time that it did not run, or was moved, is no time of growth. */
		if (now() - last < 0.5)
			began += now() - last;
		last = now();
		wanted = (double)start + began * rate;
		for (; size < cap && (double)size < wanted; size++)
			memset(memory + size * MIB, (int)(size % 251) + 1, MIB);
	}
}
