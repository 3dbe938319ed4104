/*
 * The lab's workload: a counter in memory that can prove whether it was moved without loss.
 *
 * Environment
 *   MB       resident memory in MiB, filled with a pattern (default 64)
 *   RATE     MB/s of it that are written over and over (default 0)
 *   NODE     name written into the records (default: the host name)
 *   RECORDS  file that gets a line "<boot id> <node> <seq>" every 100 ms (default: none)
 *   CURVE    memory beside MB that follows a curve, "SECONDS,MIB SECONDS,MIB ...": see curve.h
 *
 * TCP port 9000, one line in, one line out
 *   count    "<boot id> <host> <number>": 1, 2, 3 ... of one process, none left out or given twice
 *   sum      "<checksum> <expected>" of the half of the memory that is never written again
 *   progress "<boot id> <host> <running time in ms> <MiB of the curve>": what a kill would lose
 *
 * The boot id is made once at start: a restarted process has another one, a moved one keeps it.
 * One thread and no library beyond libc, so that a failed move is never the workload's own fault.
 */
#define _GNU_SOURCE /* accept4 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "curve.h"

enum {
	PORT = 9000,
	CLIENTS = 256,		/* more wait in the kernel's queue until one leaves */
	LINE = 64,		/* longest request; both requests are shorter */
	TICK_MS = 10,
	TICKS_PER_RECORD = 10,
	TICKS_PER_LOG = 100,
	PAGE = 4096,
};

struct client {
	char	line[LINE];
	size_t	used;
};

/* index 0 is the listening socket, so clients[0] stays unused */
static struct pollfd	fds[CLIENTS + 1];
static struct client	clients[CLIENTS + 1];
static int		nfds = 1;

static char		bootid[17];
static char		host[65];
static const char	*node;
static uint64_t		counter;	/* ticks: progress that needs no client */
static uint64_t		given;		/* last number given to a client */
static uint64_t		recorded;	/* last number written into the records */

static char		*memory;
static size_t		pages;		/* the first half is the kept half */
static size_t		cursor;		/* next page to dirty, counted from the dirtied half */
static uint64_t		expected;

static void
end(int sig)
{
	(void)sig;
	_exit(0);
}

static void
fail(const char *what)
{
	fprintf(stderr, "counter: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long
number(const char *name, long otherwise, long least)
{
	const char	*text = getenv(name);
	char		*rest;
	long		 value;

	if (text == NULL || *text == '\0')
		return otherwise;
	value = strtol(text, &rest, 10);
	if (*rest != '\0' || value < least || value > 1L << 20) {
		fprintf(stderr, "counter: %s=%s: give a whole number from %ld to %ld\n", name, text,
		    least, 1L << 20);
		exit(2);
	}
	return value;
}

/* splitmix64: every word of the pattern depends on its place, so a page at a wrong place shows */
static uint64_t
pattern(uint64_t place)
{
	uint64_t	x = place + 0x9e3779b97f4a7c15;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static uint64_t
mix(uint64_t sum, uint64_t word)
{
	return ((sum << 7) | (sum >> 57)) ^ word;
}

static size_t
kept_words(void)
{
	return pages / 2 * PAGE / sizeof(uint64_t);
}

static void
fill(long mb)
{
	size_t		 words;
	uint64_t	*word;

	pages = (size_t)mb * (1 << 20) / PAGE;
	memory = malloc(pages * PAGE);
	if (memory == NULL)
		fail("memory");
	word = (uint64_t *)(void *)memory;
	words = pages * PAGE / sizeof *word;
	for (size_t i = 0; i < words; i++)
		word[i] = pattern(i);
	/* from the formula and not from the memory: the two ways of getting it check each other */
	for (size_t i = 0; i < kept_words(); i++)
		expected = mix(expected, pattern(i));
}

static uint64_t
checksum(void)
{
	const uint64_t	*word = (const uint64_t *)(const void *)memory;
	uint64_t	 sum = 0;

	for (size_t i = 0; i < kept_words(); i++)
		sum = mix(sum, word[i]);
	return sum;
}

static void
dirty(long rate)
{
	static long	owed;		/* hundredths of a page, so that small rates are exact too */
	size_t		first = pages / 2, count = pages - first;

	owed += rate * 1000000 / PAGE * TICK_MS / 10;
	for (; owed >= 100; owed -= 100) {
		memcpy(memory + (first + cursor) * PAGE, &counter, sizeof counter);
		cursor = (cursor + 1) % count;
	}
}

static void
drop(int i)
{
	close(fds[i].fd);
	nfds--;
	fds[i] = fds[nfds];
	clients[i] = clients[nfds];
}

static int
answer(int fd, const char *request)
{
	char	reply[160];
	int	length;

	/* asked anew each time: it tells the client in which pod the process runs now */
	if (gethostname(host, sizeof host - 1) < 0)
		return -1;
	if (strcmp(request, "count") == 0)
		length = snprintf(reply, sizeof reply, "%s %s %llu\n", bootid, host,
		    (unsigned long long)++given);
	else if (strcmp(request, "sum") == 0)
		length = snprintf(reply, sizeof reply, "%016llx %016llx\n",
		    (unsigned long long)checksum(), (unsigned long long)expected);
	else if (strcmp(request, "progress") == 0)
		length = snprintf(reply, sizeof reply, "%s %s %lld %ld\n", bootid, host,
		    curve_ran(), curve_held());
	else
		length = snprintf(reply, sizeof reply, "error: say count, sum or progress\n");
	/* a client that does not read its replies is dropped: it must not hold up the others */
	return send(fd, reply, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL) == length ? 0 : -1;
}

/* Returns -1 when the client is to be dropped. */
static int
serve(int i)
{
	struct client	*client = &clients[i];
	ssize_t		 got;
	char		*newline;

	got = recv(fds[i].fd, client->line + client->used, LINE - 1 - client->used, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0)
		return -1;
	client->used += (size_t)got;
	client->line[client->used] = '\0';
	while ((newline = strchr(client->line, '\n')) != NULL) {
		*newline = '\0';
		if (answer(fds[i].fd, client->line) < 0)
			return -1;
		client->used -= (size_t)(newline + 1 - client->line);
		memmove(client->line, newline + 1, client->used + 1);
	}
	return client->used == LINE - 1 ? -1 : 0;
}

static int
listening(void)
{
	struct sockaddr_in6	address = { .sin6_family = AF_INET6, .sin6_port = htons(PORT) };
	struct sockaddr_in	v4 = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int			fd, one = 1, off = 0;

	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
		if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
		    listen(fd, 128) == 0)
			return fd;
		close(fd);
	}
	/* a node without IPv6 */
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&v4, sizeof v4) < 0 || listen(fd, 128) < 0)
		fail("port 9000");
	return fd;
}

static void
welcome(void)
{
	int	fd = accept4(fds[0].fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	fds[nfds] = (struct pollfd){ .fd = fd, .events = POLLIN };
	clients[nfds].used = 0;
	nfds++;
}

static void
handle(void)
{
	int	seen = nfds;

	/* backwards, because drop() moves the last client into the gap */
	for (int i = seen - 1; i > 0; i--)
		if (fds[i].revents != 0 && serve(i) < 0)
			drop(i);
	if (fds[0].revents & POLLIN && nfds <= CLIENTS)
		welcome();
	/* with all places taken poll would return at once for ever */
	fds[0].events = nfds <= CLIENTS ? POLLIN : 0;
}

static long long
now_ms(void)
{
	struct timespec	t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Opened for each line: the open file would tie the process to one mount for its whole life. */
static void
record(const char *path)
{
	char	line[160];
	int	fd, length;

	length = snprintf(line, sizeof line, "%s %s %llu\n", bootid, node,
	    (unsigned long long)++recorded);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, line, (size_t)length) != length)
		fail(path);
	close(fd);
}

static void
tick(long rate, const char *records)
{
	static unsigned long	ticks;

	counter++;
	ticks++;
	dirty(rate);
	if (records != NULL && ticks % TICKS_PER_RECORD == 0)
		record(records);
	if (ticks % TICKS_PER_LOG == 0) {
		printf("boot=%s node=%s count=%llu clients=%d\n", bootid, node,
		    (unsigned long long)counter, nfds - 1);
		fflush(stdout);
	}
}

static void
name_myself(void)
{
	uint64_t	id;

	if (getrandom(&id, sizeof id, 0) != sizeof id)
		fail("random number");
	snprintf(bootid, sizeof bootid, "%016llx", (unsigned long long)id);
	if (gethostname(host, sizeof host - 1) < 0)
		fail("host name");
	node = getenv("NODE");
	if (node == NULL || *node == '\0')
		node = host;
}

int
main(void)
{
	long		 mb = number("MB", 64, 1), rate = number("RATE", 0, 0);
	const char	*records = getenv("RECORDS"), *curve = getenv("CURVE");
	long long	 next, wait, seen;

	signal(SIGTERM, end);
	signal(SIGINT, end);
	signal(SIGPIPE, SIG_IGN);
	if (records != NULL && *records == '\0')
		records = NULL;
	name_myself();
	fill(mb);
	if (curve != NULL && *curve != '\0' && curve_begin(curve) < 0)
		fail("CURVE");
	fds[0] = (struct pollfd){ .fd = listening(), .events = POLLIN };
	printf("boot=%s node=%s ready mb=%ld rate=%ld\n", bootid, node, mb, rate);
	fflush(stdout);
	for (seen = now_ms(), next = seen + TICK_MS;;) {
		curve_go_on(now_ms() - seen);
		seen = now_ms();
		wait = next - seen;
		if (wait <= 0) {
			tick(rate, records);
			/* no catching up: after a freeze the missed ticks are gone */
			next = wait < -TICK_MS ? now_ms() + TICK_MS : next + TICK_MS;
			wait = 0;
		}
		if (poll(fds, (nfds_t)nfds, (int)wait) > 0)
			handle();
	}
}
