/*
 * Memory that grows and shrinks along a curve over the process's own running time.
 *
 * The curve is text: "SECONDS,MIB SECONDS,MIB ...", seconds rising; a line between two points, and
 * the last point for ever. Every page that is held is written to; what the curve gives up goes back
 * to the kernel. The position is running time and no clock: a freeze does not make it jump.
 */
#ifndef CURVE_H
#define CURVE_H

/* Parses the curve and takes what it begins with; -1 and errno where that cannot be. */
int		 curve_begin(const char *text);
/* Goes on by so many milliseconds; a gap that is no running counts for 200 of them. */
void		 curve_go_on(long long elapsed);
/* Own running time [ms]. */
long long	 curve_ran(void);
/* Memory held [MiB]. */
long		 curve_held(void);

#endif
