/*
 * writer: opens the file FILE once and appends the next number as a line every 50 ms.
 *
 *   LOCK=1     holds an exclusive lock on it
 *   DELETED=N  makes it N MiB long and deletes it, but keeps it open
 *
 * Says " ready " after the first line; a write that fails ends it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

static int
fill_and_delete(int fd, const char *path, long megabytes)
{
	static char	block[1 << 20];

	while (megabytes-- > 0)
		if (write(fd, block, sizeof block) != (ssize_t)sizeof block)
			return -1;
	return unlink(path);
}

int
main(void)
{
	const char	*path = getenv("FILE");
	char		 line[32];
	unsigned long	 number = 0;
	int		 fd, length;

	fd = open(path == NULL ? "" : path, O_WRONLY | O_APPEND | O_CREAT, 0644);
	if (fd < 0 || (getenv("LOCK") != NULL && flock(fd, LOCK_EX) != 0)) {
		perror("writer");
		return 1;
	}
	if (getenv("DELETED") != NULL && fill_and_delete(fd, path, atol(getenv("DELETED"))) != 0) {
		perror("writer");
		return 1;
	}
	for (;;) {
		length = snprintf(line, sizeof line, "%lu\n", ++number);
		if (write(fd, line, (size_t)length) != length) {
			perror("writer");
			return 1;
		}
		if (number == 1) {
			printf("writer: ready now\n");
			fflush(stdout);
		}
		usleep(50000);
	}
}
