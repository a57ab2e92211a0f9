/*
 * paper.c - text on a page.
 *
 * For:    handover.c, label.c.
 * Uses:   cairo, pango; fonts-dejavu-core.
 * Called: for every piece of text.
 * Thread: any; pango keeps its fonts per thread.
 */
#include <stdlib.h>

#include "paper.h"

#define TEXT_MAX 2048

static PangoLayout *layout_of(cairo_t *c, const struct paper_text *t, const char *text)
{
	char shown[TEXT_MAX];
	PangoLayout *layout = pango_cairo_create_layout(c);
	PangoFontDescription *font = pango_font_description_new();
	stg_printable(text, true, shown, sizeof(shown));
	pango_font_description_set_family(font, t->mono ? "DejaVu Sans Mono" : "DejaVu Sans");
	pango_font_description_set_absolute_size(font, t->size * PANGO_SCALE);
	pango_font_description_set_weight(font, t->bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
	pango_layout_set_font_description(layout, font);
	pango_font_description_free(font);
	pango_layout_set_text(layout, shown, -1);
	if (t->width > 0) {
		pango_layout_set_width(layout, (int)(t->width * PANGO_SCALE));
		pango_layout_set_alignment(layout, t->right ? PANGO_ALIGN_RIGHT : t->centre ? PANGO_ALIGN_CENTER : PANGO_ALIGN_LEFT);
		if (!t->wrap || t->lines_max)
			pango_layout_set_ellipsize(layout, PANGO_ELLIPSIZE_END);
		pango_layout_set_wrap(layout, PANGO_WRAP_WORD_CHAR);
		pango_layout_set_height(layout, t->wrap ? -(t->lines_max ? t->lines_max : 100) : -1);
	}
	return layout;
}

double paper_text(cairo_t *c, const struct paper_text *t, const char *text, bool draw)
{
	int height;
	PangoLayout *layout = layout_of(c, t, text);
	pango_layout_get_size(layout, NULL, &height);
	if (draw) {
		cairo_set_source_rgb(c, t->grey, t->grey, t->grey);
		cairo_move_to(c, t->x, t->y);
		pango_cairo_show_layout(c, layout);
	}
	g_object_unref(layout);
	return (double)height / PANGO_SCALE;
}

double paper_width(cairo_t *c, const struct paper_text *t, const char *text)
{
	int width;
	PangoLayout *layout = layout_of(c, t, text);
	pango_layout_get_size(layout, &width, NULL);
	g_object_unref(layout);
	return (double)width / PANGO_SCALE;
}

cairo_status_t paper_write(void *buf, const unsigned char *data, unsigned int len)
{
	return stg_buf_add(buf, data, len, NULL) ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

bool paper_ok(cairo_t *c, cairo_surface_t *s, struct stg_error *err)
{
	cairo_status_t why = cairo_status(c);
	if (why == CAIRO_STATUS_SUCCESS)
		why = cairo_surface_status(s);
	return why == CAIRO_STATUS_SUCCESS || stg_fail_id(err, STG_E_IO, STG_ID_PAPER_FAILED, (int)why, "%s", cairo_status_to_string(why));
}

#ifdef STG_SANITIZED
/* Fontconfig keeps its patterns for the life of the process and has no owner to give them back. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libfontconfig.so\nleak:libpango-1.0.so\nleak:libpangoft2-1.0.so\nleak:libpangocairo-1.0.so\n";
}
#endif
