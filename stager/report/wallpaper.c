/*
 * wallpaper.c - the picture that makes a device its own label: a big tick, the asset tag, whose it is, a QR code.
 *
 * For:    the step wallpaper: a pile of devices sorts itself without a printer.
 * Uses:   libzint for the code, cairo and pango for the picture.
 * Called: by the station, for one device.
 * Thread: any.
 *
 * Drawn at half the screen's points in each direction: flat colours and large letters lose nothing, and a quarter of the bytes
 * go over the cable. What matters stays inside the middle: the clock stands above it, and an iPad may be turned.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <zint.h>

#include <stager/report.h>

#include "paper.h"

#define PNG_MAX (768u << 10)
#define CODE_MAX 64

/* Pixels of the upright screen, by the beginning of the product type; the last row of a family is for what is newer. */
static const struct {
	const char *type;
	int width, height;
} screens[] = {
	{ "iPhone8,4", 640, 1136 }, { "iPhone8,2", 1080, 1920 }, { "iPhone8,", 750, 1334 }, { "iPhone9,2", 1080, 1920 }, { "iPhone9,4", 1080, 1920 },
	{ "iPhone9,", 750, 1334 }, { "iPhone10,3", 1125, 2436 }, { "iPhone10,6", 1125, 2436 }, { "iPhone10,2", 1080, 1920 },
	{ "iPhone10,5", 1080, 1920 }, { "iPhone10,", 750, 1334 }, { "iPhone11,2", 1125, 2436 }, { "iPhone11,8", 828, 1792 },
	{ "iPhone11,", 1242, 2688 }, { "iPhone12,1", 828, 1792 }, { "iPhone12,3", 1125, 2436 }, { "iPhone12,5", 1242, 2688 },
	{ "iPhone12,8", 750, 1334 }, { "iPhone13,1", 1080, 2340 }, { "iPhone13,4", 1284, 2778 }, { "iPhone14,4", 1080, 2340 },
	{ "iPhone14,3", 1284, 2778 }, { "iPhone14,6", 750, 1334 }, { "iPhone14,8", 1284, 2778 }, { "iPhone15,3", 1290, 2796 },
	{ "iPhone15,5", 1290, 2796 }, { "iPhone", 1179, 2556 },
	{ "iPad5,1", 1536, 2048 }, { "iPad5,2", 1536, 2048 }, { "iPad6,7", 2048, 2732 }, { "iPad6,8", 2048, 2732 }, { "iPad5,", 1536, 2048 },
	{ "iPad6,", 1536, 2048 }, { "iPad7,1", 2048, 2732 }, { "iPad7,5", 1536, 2048 }, { "iPad13,8", 2048, 2732 }, { "iPad14,1", 1488, 2266 },
	{ "iPad", 1640, 2360 },
};

void stg_screen_of(const char *model, int *ret_width, int *ret_height)
{
	*ret_width = 1179;
	*ret_height = 2556;
	for (size_t i = 0; i < STG_ARRAY_LEN(screens); i++)
		if (strncmp(model, screens[i].type, strlen(screens[i].type)) == 0) {
			*ret_width = screens[i].width;
			*ret_height = screens[i].height;
			return;
		}
}

static void draw_tick(cairo_t *c, double x, double y, double size)
{
	cairo_set_source_rgb(c, 0.30, 0.85, 0.45);
	cairo_set_line_width(c, size * 0.16);
	cairo_set_line_cap(c, CAIRO_LINE_CAP_ROUND);
	cairo_set_line_join(c, CAIRO_LINE_JOIN_ROUND);
	cairo_move_to(c, x - size * 0.45, y);
	cairo_line_to(c, x - size * 0.12, y + size * 0.32);
	cairo_line_to(c, x + size * 0.48, y - size * 0.36);
	cairo_stroke(c);
}

/* Dark on white with four modules of quiet around, whole pixels: a phone's camera reads it off a scratched screen. */
static bool draw_code(cairo_t *c, const char *text, int middle, int top, int side, struct stg_error *err)
{
	struct zint_symbol *z = ZBarcode_Create();
	if (!z)
		return stg_fail(err, STG_E_NOMEM, 0, "no memory for a bar code");
	z->symbology = BARCODE_QRCODE;
	z->option_1 = 2;
	bool ok = ZBarcode_Encode(z, (const unsigned char *)text, (int)strlen(text)) < ZINT_ERROR;
	if (ok) {
		int module = side / (z->width + 8), whole = module * (z->width + 8), x = middle - whole / 2;
		cairo_set_antialias(c, CAIRO_ANTIALIAS_NONE);
		cairo_set_source_rgb(c, 1, 1, 1);
		cairo_rectangle(c, x, top, whole, whole);
		cairo_fill(c);
		cairo_set_source_rgb(c, 0, 0, 0);
		for (int row = 0; row < z->rows; row++)
			for (int column = 0; column < z->width; column++)
				if ((z->encoded_data[row][column >> 3] >> (column & 7)) & 1)
					cairo_rectangle(c, x + (column + 4) * module, top + (row + 4) * module, module, module);
		cairo_fill(c);
		cairo_set_antialias(c, CAIRO_ANTIALIAS_DEFAULT);
	} else {
		stg_fail_id(err, STG_E_INPUT, STG_ID_LABEL_CODE, 0, "bar code: %s", z->errtxt);
	}
	ZBarcode_Delete(z);
	return ok;
}

/* White on dark, as large as the width lets it. */
static double line(cairo_t *c, const char *text, double width, double y, double size, bool bold)
{
	if (!*text)
		return 0;
	while (size > 18 && paper_width(c, &(struct paper_text){ .size = size, .bold = bold }, text) > width * 0.86)
		size -= 2;
	return paper_text(c, &(struct paper_text){ .x = width * 0.06, .y = y, .width = width * 0.88, .size = size, .bold = bold, .centre = true, .grey = 1 },
			  text, true);
}

bool stg_wallpaper_png(const struct stg_wallpaper_ask *ask, struct stg_buf *ret, struct stg_error *err)
{
	int full_w, full_h;
	const char *code = ask->code;
	size_t len = strlen(code);
	for (size_t i = 0; i < len; i++)
		if (code[i] < 0x20 || code[i] > 0x7e)
			return stg_fail_id(err, STG_E_INPUT, STG_ID_LABEL_CODE, 0, "a bar code can hold ASCII letters, digits and signs only");
	if (len == 0 || len > CODE_MAX)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_LABEL_CODE, 0, "a bar code holds 1 to %d characters", CODE_MAX);
	stg_screen_of(ask->model, &full_w, &full_h);
	int w = full_w / 2, h = full_h / 2;
	cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, w, h);
	cairo_t *c = cairo_create(s);
	cairo_set_source_rgb(c, 0.07, 0.13, 0.20);
	cairo_paint(c);
	if (ask->tick)
		draw_tick(c, w / 2.0, h * 0.42, w * 0.26);
	double y = h * 0.52;
	y += line(c, ask->title, w, y, w * 0.14, true) + h * 0.005;
	y += line(c, ask->owner, w, y, w * 0.06, false) + h * 0.005;
	if (ask->is_rehearsal)
		y += line(c, "REHEARSAL", w, y, w * 0.05, true);
	/* below the words, however many there are, and above the bar one swipes from */
	int top = (int)lround(fmax(h * 0.68, y + h * 0.015)), side = (int)lround(fmin(w * 0.38, h * 0.95 - top));
	bool ok = draw_code(c, code, w / 2, top, side, err);
	cairo_surface_flush(s);
	ok = ok && paper_ok(c, s, err);
	*ret = STG_BUF(PNG_MAX);
	ok = ok && paper_flat_png(s, ret, err);
	cairo_destroy(c);
	cairo_surface_destroy(s);
	return ok;
}
