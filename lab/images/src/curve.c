/* See curve.h. */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "curve.h"

enum {
	POINTS = 1024,
	PAGE = 4096,
	LONGEST_STEP_MS = 200,	/* what is longer was no running: a freeze, or a stopped machine */
};

static const double	most_mib = 1 << 20;

static struct { double ms, mib; } points[POINTS];
static int		npoints;
static char		*region;
static size_t		reserved, held;		/* pages */
static long long	ran;			/* own running time [ms] */

static double
number(char **text, char until)
{
	char	*rest;
	double	 value;

	errno = 0;
	value = strtod(*text, &rest);
	if (rest == *text || errno != 0 || !(value >= 0) || value > 1e9 ||
	    (*rest != until && !(until == ' ' && *rest == '\0')))
		return -1;
	*text = *rest == '\0' ? rest : rest + 1;
	return value;
}

int
curve_begin(const char *text)
{
	char	*copy = strdup(text), *rest = copy;
	double	 most = 0;

	if (copy == NULL)
		return -1;
	for (npoints = 0; *rest != '\0'; npoints++) {
		double	seconds = number(&rest, ','), mib = seconds < 0 ? -1 : number(&rest, ' ');

		if (npoints == POINTS || mib < 0 || mib > most_mib ||
		    (npoints > 0 && seconds * 1000 <= points[npoints - 1].ms)) {
			free(copy);
			errno = EINVAL;
			return -1;
		}
		points[npoints].ms = seconds * 1000;
		points[npoints].mib = mib;
		most = mib > most ? mib : most;
	}
	free(copy);
	reserved = (size_t)(most * (1 << 20) / PAGE) + 1;
	region = mmap(NULL, reserved * PAGE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (region == MAP_FAILED || npoints == 0) {
		errno = npoints == 0 ? EINVAL : errno;
		return -1;
	}
	/* a huge page would take 2 MiB where the curve says 4 KiB */
	madvise(region, reserved * PAGE, MADV_NOHUGEPAGE);
	curve_go_on(0);
	return 0;
}

static double
wanted(void)
{
	int	i;

	for (i = 0; i < npoints && points[i].ms <= (double)ran; i++)
		;
	if (i == 0)
		return points[0].mib;
	if (i == npoints)
		return points[npoints - 1].mib;
	return points[i - 1].mib + (points[i].mib - points[i - 1].mib) *
	    ((double)ran - points[i - 1].ms) / (points[i].ms - points[i - 1].ms);
}

void
curve_go_on(long long elapsed)
{
	size_t	pages;

	if (region == NULL)
		return;
	ran += elapsed < 0 ? 0 : elapsed > LONGEST_STEP_MS ? LONGEST_STEP_MS : elapsed;
	pages = (size_t)(wanted() * (1 << 20) / PAGE);
	if (pages < held)
		madvise(region + pages * PAGE, (held - pages) * PAGE, MADV_DONTNEED);
	/* each page differs, so that nothing can merge or compress them away */
	for (; held < pages; held++)
		memcpy(region + held * PAGE, &held, sizeof held);
	held = pages;
}

long long
curve_ran(void)
{
	return ran;
}

long
curve_held(void)
{
	return (long)(held * PAGE >> 20);
}
