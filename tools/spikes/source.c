/* The workload of kill_criu.py: two threads that say when they ran, and memory that can be checked.
 * Shared page /state: [0] ns of the last beat, [1] beats, [2] beats of thread 2, [3] asked check,
 * [4] answered check, [5] wrong words, [6] words, [7] ready. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t *state;

static uint64_t word(uint64_t place) { return (place + 1) * 0x9E3779B97F4A7C15ULL; }

static void nap(void)
{
	struct timespec ms = { 0, 1000000 };
	nanosleep(&ms, NULL);
}

static void *second(void *unused)
{
	for (;; nap())
		state[2]++;
	return unused;
}

int main(int argc, char **argv)
{
	uint64_t words = (argc > 1 ? strtoull(argv[1], NULL, 10) : 256) * 1024 * 1024 / 8;
	int fd = open("/state", O_RDWR);
	pthread_t thread;
	uint64_t *memory = mmap(NULL, words * 8, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	state = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || memory == MAP_FAILED || state == MAP_FAILED)
		return 1;
	for (uint64_t i = 0; i < words; i++)
		memory[i] = word(i);
	state[6] = words;
	if (pthread_create(&thread, NULL, second, NULL))
		return 2;
	state[7] = 1;
	for (;; nap()) {
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		state[0] = (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
		state[1]++;
		if (state[3] != state[4]) {
			uint64_t wrong = 0;

			for (uint64_t i = 0; i < words; i++)
				wrong += memory[i] != word(i);
			state[5] = wrong;
			state[4] = state[3];
		}
	}
}
