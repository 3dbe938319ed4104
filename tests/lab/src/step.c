/* step FILE WORD: appends a line to a file and ends; what init containers and hooks of tests do. */
#include <stdio.h>

int
main(int argc, char **argv)
{
	FILE	*out = argc == 3 ? fopen(argv[1], "a") : NULL;

	if (out == NULL || fprintf(out, "%s\n", argv[2]) < 0 || fclose(out) != 0) {
		perror("step FILE WORD");
		return 1;
	}
	return 0;
}
