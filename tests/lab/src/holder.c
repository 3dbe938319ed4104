/*
 * holder: opens what CRIU cannot dump, at once or when it is told to.
 *
 *   OPEN=io_uring | mptcp   at start; /FILE: that file, for reading
 *   SIGUSR1                 an io_uring, SIGUSR2 an MPTCP socket
 *
 * Says " ready " once it waits, and which descriptor it got; a kernel that has neither ends it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static void
hold(int want)
{
	struct io_uring_params	params;
	int			fd;

	memset(&params, 0, sizeof params);
	if (want == SIGUSR1)
		fd = (int)syscall(SYS_io_uring_setup, 4, &params);
	else
		fd = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
	if (fd < 0) {
		perror(want == SIGUSR1 ? "io_uring" : "mptcp");
		exit(1);
	}
	printf("holds %s as %d\n", want == SIGUSR1 ? "io_uring" : "mptcp", fd);
	fflush(stdout);
}

int
main(void)
{
	const char	*now = getenv("OPEN");
	sigset_t	 told;
	int		 sig;

	sigemptyset(&told);
	sigaddset(&told, SIGUSR1);
	sigaddset(&told, SIGUSR2);
	sigaddset(&told, SIGTERM);
	sigprocmask(SIG_BLOCK, &told, NULL);
	if (now != NULL && *now == '/') {
		if (open(now, O_RDONLY) < 0) {
			perror(now);
			return 1;
		}
	} else if (now != NULL && *now != '\0')
		hold(strcmp(now, "io_uring") == 0 ? SIGUSR1 : SIGUSR2);
	printf("holder: ready now\n");
	fflush(stdout);
	while (sigwait(&told, &sig) == 0 && sig != SIGTERM)
		hold(sig);
	return 0;
}
