/* paper.h - cairo and pango in the few words our papers need. Lengths are points (1/72 inch) or pixels, as the surface has. */
#ifndef STAGER_REPORT_PAPER_H
#define STAGER_REPORT_PAPER_H

#include <pango/pangocairo.h>

#include <stager/bytes.h>
#include <stager/error.h>

struct paper_text {
	double x, y, width;     /* width 0: as wide as it is */
	double size;
	bool bold, mono, wrap;  /* not wrapped = cut with dots */
	bool right, centre;
	int lines_max;          /* wrapped: cut after so many, 0 = never */
	double grey;            /* 0 black to 1 white */
};

/* Draws (or with draw = false only measures); returns the height. Control and direction characters are escaped. */
double paper_text(cairo_t *c, const struct paper_text *t, const char *text, bool draw);
double paper_width(cairo_t *c, const struct paper_text *t, const char *text);
/* cairo_write_func_t into a struct stg_buf. */
cairo_status_t paper_write(void *buf, const unsigned char *data, unsigned int len);
/* True when everything on this surface went well; the surface must be finished. */
bool paper_ok(cairo_t *c, cairo_surface_t *s, struct stg_error *err);

/* flatpng.c: an RGB24 surface of few colours, its first pixel the ground. Appends to `ret`. */
bool paper_flat_png(cairo_surface_t *s, struct stg_buf *ret, struct stg_error *err);

#endif
