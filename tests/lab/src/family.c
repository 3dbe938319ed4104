/*
 * family: a process tree as programs in the wild have it, which tells once in 100 ms how it is.
 *
 * Members: the init process with a second thread; a child; a grandchild in a session of its own,
 * whose parent is gone (init got it); a child that ended with 7 and that nobody waits for (zombie);
 * a child that does nothing at all. Counters are in shared memory.
 *
 *   mono=<ms> boottime=<ms> back=<n> gap=<ms> thread=<n> child=<n> daemon=<n> zombie=<exit code>
 *   idle=<0|1>
 *
 * `back`: how often CLOCK_MONOTONIC or CLOCK_BOOTTIME was before its last value; `gap`: the largest
 * step of CLOCK_MONOTONIC so far. TCP port 9000 keeps what connects; after a byte `h` it shuts its
 * own sending side down.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PORT = 9000, CLIENTS = 16 };

static volatile unsigned long	*shared; /* thread, child, daemon */
static int			 clients[CLIENTS], nclients;

static long long
milliseconds(clockid_t clock)
{
	struct timespec	t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void
count(int index)
{
	for (;;) {
		shared[index]++;
		usleep(10000);
	}
}

static void *
thread(void *nothing)
{
	count(0);
	return nothing;
}

static int
listening(void)
{
	struct sockaddr_in	v4 = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int			fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&v4, sizeof v4) < 0 || listen(fd, 16) < 0) {
		perror("port 9000");
		exit(1);
	}
	return fd;
}

static void
serve(int server)
{
	int	fd = accept4(server, NULL, NULL, SOCK_NONBLOCK);
	char	byte;

	if (fd >= 0 && nclients < CLIENTS)
		clients[nclients++] = fd;
	for (int i = 0; i < nclients; i++)
		if (recv(clients[i], &byte, 1, 0) == 1 && byte == 'h')
			shutdown(clients[i], SHUT_WR);
}

static pid_t
child(void (*work)(int), int argument)
{
	pid_t	pid = fork();

	if (pid == 0) {
		work(argument);
		_exit(0);
	}
	return pid;
}

static void
leave(int code)
{
	_exit(code);
}

static void
idle(int unused)
{
	(void)unused;
	for (;;)
		pause();
}

static void
daemonise(int index)
{
	if (fork() == 0) {
		setsid();
		count(index);
	}
}

int
main(void)
{
	long long	 mono, boottime, last_mono, last_boottime, gap = 0;
	pid_t		 zombie, sleeper;
	pthread_t	 second;
	siginfo_t	 how;
	int		 server = listening(), back = 0;

	signal(SIGPIPE, SIG_IGN);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	child(count, 1);
	waitpid(child(daemonise, 2), NULL, 0);
	zombie = child(leave, 7);
	sleeper = child(idle, 0);
	pthread_create(&second, NULL, thread, NULL);
	printf("family: ready now\n");
	last_mono = milliseconds(CLOCK_MONOTONIC);
	last_boottime = milliseconds(CLOCK_BOOTTIME);
	for (;;) {
		mono = milliseconds(CLOCK_MONOTONIC);
		boottime = milliseconds(CLOCK_BOOTTIME);
		back += mono < last_mono || boottime < last_boottime;
		gap = mono - last_mono > gap ? mono - last_mono : gap;
		last_mono = mono;
		last_boottime = boottime;
		serve(server);
		how.si_pid = how.si_status = 0;
		waitid(P_PID, (id_t)zombie, &how, WEXITED | WNOHANG | WNOWAIT);
		printf("mono=%lld boottime=%lld back=%d gap=%lld thread=%lu child=%lu daemon=%lu"
		    " zombie=%d idle=%d\n", mono, boottime, back, gap, shared[0], shared[1],
		    shared[2], how.si_status, kill(sleeper, 0) == 0);
		fflush(stdout);
		usleep(100000);
	}
}
