/*
 * beside: a second container of a pod, as a proxy or a log shipper is one.
 *
 *   FILE=PATH  gets the line "start" when it starts, then one every 30 ms
 *   ASK=1      asks the counter of its pod before each line, over a new connection on loopback
 *
 * The lines are "ticked", or with ASK "answered" and "refused". Says " ready " after the first.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int
ask(void)
{
	struct sockaddr_in	to;
	char			answer[128];
	int			fd, ok;

	memset(&to, 0, sizeof to);
	to.sin_family = AF_INET;
	to.sin_port = htons(9000);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	ok = fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
	    write(fd, "sum\n", 4) == 4 && read(fd, answer, sizeof answer) > 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

int
main(void)
{
	const char	*path = getenv("FILE"), *line = "start\n";
	int		 first = 1, out;

	out = open(path == NULL ? "" : path, O_WRONLY | O_APPEND | O_CREAT, 0644);
	if (out < 0) {
		perror("beside");
		return 1;
	}
	for (;;) {
		if (write(out, line, strlen(line)) != (ssize_t)strlen(line)) {
			perror("beside");
			return 1;
		}
		if (first) {
			printf("beside: ready now\n");
			fflush(stdout);
			first = 0;
		}
		usleep(30000);
		line = "ticked\n";
		if (getenv("ASK") != NULL)
			line = ask() ? "answered\n" : "refused\n";
	}
}
