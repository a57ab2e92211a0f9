/*
 * label.c - the label that goes on a device: one template, as a picture and for label printers.
 *
 * For:    `label preview`, `label print`.
 * Uses:   libzint for the codes, cairo and pango for the picture. ZPL printers draw both themselves.
 * Called: by the report operations.
 * Thread: any.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <zint.h>

#include <stager/report.h>

#include "paper.h"

#define WIDTH_MM 57.0
#define HEIGHT_MM 32.0
#define PNG_MAX (1u << 20)
#define ZPL_MAX 8192
#define CODE_MAX 64
#define REHEARSAL_W 144.0

/* Only what every scanner types back: printable ASCII. */
static bool code_ok(const char *text, struct stg_error *err)
{
	size_t n = strlen(text);
	for (size_t i = 0; i < n; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return stg_fail_id(err, STG_E_INPUT, STG_ID_LABEL_CODE, 0, "%.80s", text);
	return (n >= 1 && n <= CODE_MAX) || stg_fail_id(err, STG_E_INPUT, STG_ID_LABEL_CODE, 0, "1-%d", CODE_MAX);
}

static void symbol_free_at(struct zint_symbol **z)
{
	if (*z)
		ZBarcode_Delete(*z);
	*z = NULL;
}

static struct zint_symbol *encode(int symbology, const char *text, struct stg_error *err)
{
	struct zint_symbol *z = ZBarcode_Create();
	if (!z) {
		stg_fail(err, STG_E_NOMEM, 0, "no memory for a bar code");
		return NULL;
	}
	z->symbology = symbology;
	z->show_hrt = 0;
	if (symbology == BARCODE_QRCODE)
		z->option_1 = 2;        /* error correction M: a scratched label still reads */
	if (ZBarcode_Encode(z, (const unsigned char *)text, (int)strlen(text)) < ZINT_ERROR)
		return z;
	stg_fail_id(err, STG_E_INPUT, STG_ID_LABEL_CODE, 0, "%.80s", text);
	symbol_free_at(&z);
	return NULL;
}

static bool module_at(const struct zint_symbol *z, int row, int column)
{
	return (z->encoded_data[row][column >> 3] >> (column & 7)) & 1;
}

/* Whole pixels only: a module that ends between two is what scanners stumble over. */
static void draw_symbol(cairo_t *c, const struct zint_symbol *z, int x, int y, int module, int row_height)
{
	cairo_set_antialias(c, CAIRO_ANTIALIAS_NONE);
	cairo_set_source_rgb(c, 0, 0, 0);
	for (int row = 0; row < z->rows; row++)
		for (int column = 0; column < z->width; column++)
			if (module_at(z, row, column))
				cairo_rectangle(c, x + column * module, y + row * row_height, module, row_height);
	cairo_fill(c);
	cairo_set_antialias(c, CAIRO_ANTIALIAS_DEFAULT);
}

struct codes {
	const char *square, *bar;       /* what the QR code and the Code 128 hold */
};

static bool codes_of(const struct stg_label *l, struct codes *ret, struct stg_error *err)
{
	ret->square = *l->serial ? l->serial : l->asset_tag;
	ret->bar = *l->asset_tag ? l->asset_tag : l->serial;
	if (!*ret->square)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_LABEL_EMPTY, 0, "%s", "");
	if (!code_ok(ret->square, err))
		return false;
	/* an asset tag with an accent cannot be a bar: then the serial is */
	struct stg_error ignored;
	if (!code_ok(ret->bar, &ignored))
		ret->bar = ret->square;
	return true;
}

/* ---- the picture ---- */

static void draw(cairo_t *c, const struct stg_label *l, const struct codes *codes, const struct zint_symbol *square, const struct zint_symbol *bar, int w, int h)
{
	/* four modules of white around the square, as the standard asks */
	int side = (int)(h * 0.6), module = side / (square->width + 6), pad = 4 * module;
	int square_w = module * square->width, text_x = pad + square_w + pad;
	double text_w = w - text_x - 16, y = 14;
	cairo_set_source_rgb(c, 1, 1, 1);
	cairo_paint(c);
	draw_symbol(c, square, pad, 24, module, module);

	struct paper_text t = { .x = text_x, .y = y, .width = text_w, .size = 54, .bold = true };
	const char *big = *l->asset_tag ? l->asset_tag : l->serial;
	while (t.size > 26 && paper_width(c, &(struct paper_text){ .size = t.size, .bold = true }, big) > text_w)
		t.size -= 2;
	y += paper_text(c, &t, big, true);
	if (*l->name) {
		t = (struct paper_text){ .x = text_x, .y = y, .width = text_w, .size = 30, .wrap = true, .lines_max = *l->todo ? 1 : 2 };
		y += paper_text(c, &t, l->name, true) + 2;
	}
	if (*l->serial && *l->asset_tag) {
		t = (struct paper_text){ .x = text_x, .y = y, .width = text_w, .size = 27, .mono = true };
		y += paper_text(c, &t, l->serial, true) + 2;
	}
	if (*l->todo) {
		t = (struct paper_text){ .x = text_x, .y = y, .width = text_w, .size = 22, .bold = true, .wrap = true, .lines_max = 2 };
		paper_text(c, &t, l->todo, true);
	}
	/* ten modules of white on either side, as the standard asks */
	int bar_module = w / (bar->width + 20), top = 24 + square_w + 36;
	if (bar_module > 4)
		bar_module = 4;
	if (bar_module < 1)
		bar_module = 1;
	int bar_w = bar_module * bar->width, bar_h = h - top - 40;
	draw_symbol(c, bar, (w - bar_w) / 2, top, bar_module, bar_h);
	t = (struct paper_text){ .x = 0, .y = top + bar_h + 1, .width = w, .size = 24, .mono = true, .centre = true };
	/* a long tag leaves the corner to the mark */
	if (l->is_rehearsal)
		t.x = REHEARSAL_W, t.width = w - 2 * REHEARSAL_W;
	paper_text(c, &t, codes->bar, true);
	if (l->is_rehearsal) {
		t = (struct paper_text){ .x = w - 190.0, .y = h - 34.0, .width = 180, .size = 20, .bold = true, .right = true };
		paper_text(c, &t, "REHEARSAL", true);
	}
}

bool stg_label_png(const struct stg_label *l, struct stg_buf *ret, struct stg_error *err)
{
	struct codes codes;
	if (!codes_of(l, &codes, err))
		return false;
	STG_AUTO(symbol_free_at) struct zint_symbol *square = encode(BARCODE_QRCODE, codes.square, err);
	STG_AUTO(symbol_free_at) struct zint_symbol *bar = square ? encode(BARCODE_CODE128, codes.bar, err) : NULL;
	if (!bar)
		return false;
	int w = (int)lround(WIDTH_MM / 25.4 * 300), h = (int)lround(HEIGHT_MM / 25.4 * 300);
	cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, w, h);
	cairo_t *c = cairo_create(s);
	*ret = STG_BUF(PNG_MAX);
	draw(c, l, &codes, square, bar, w, h);
	cairo_surface_flush(s);
	bool ok = paper_ok(c, s, err);
	cairo_status_t written = ok ? cairo_surface_write_to_png_stream(s, paper_write, ret) : CAIRO_STATUS_SUCCESS;
	if (ok && written != CAIRO_STATUS_SUCCESS)
		ok = stg_fail_id(err, STG_E_IO, STG_ID_PAPER_FAILED, (int)written, "%s", cairo_status_to_string(written));
	cairo_destroy(c);
	cairo_surface_destroy(s);
	return ok;
}

/* ---- ZPL ---- */

/* ^FH_ lets every byte be written as _XX: nothing in a name can become a command of the printer. */
static bool field(struct stg_buf *out, const char *text, struct stg_error *err)
{
	char shown[256];
	stg_printable(text, true, shown, sizeof(shown));
	if (!stg_buf_add_str(out, "^FH_^FD", err))
		return false;
	for (const unsigned char *p = (const unsigned char *)shown; *p; p++)
		if (isalnum(*p) || strchr(" -.:/", *p) ? !stg_buf_add(out, p, 1, err) : !stg_buf_printf(out, err, "_%02X", *p))
			return false;
	return stg_buf_add_str(out, "^FS\n", err);
}

bool stg_label_zpl(const struct stg_label *l, struct stg_buf *ret, struct stg_error *err)
{
	struct codes codes;
	const char *big = *l->asset_tag ? l->asset_tag : l->serial;
	*ret = STG_BUF(ZPL_MAX);
	if (!codes_of(l, &codes, err))
		return false;
	/* 8 dots per mm: 456 x 256; ^CI28 = UTF-8 */
	STG_AUTO(stg_buf_clear) struct stg_buf square = STG_BUF(256);
	if (!stg_buf_printf(&square, err, "MA,%s", codes.square) || !stg_buf_add_str(ret, "^XA\n^CI28\n^PW456\n^LL256\n^LH0,0\n^FO16,8^BQN,2,5", err) ||
	    !field(ret, stg_buf_str(&square), err) || !stg_buf_printf(ret, err, "^FO160,16^A0N,%d,%d^FB288,1,0,L,0", strlen(big) > 12 ? 30 : 44, strlen(big) > 12 ? 26 : 40) ||
	    !field(ret, big, err))
		return false;
	if (*l->name && (!stg_buf_add_str(ret, "^FO160,62^A0N,24,22^FB288,1,0,L,0", err) || !field(ret, l->name, err)))
		return false;
	if (*l->serial && *l->asset_tag && (!stg_buf_add_str(ret, "^FO160,90^A0N,22,20^FB288,1,0,L,0", err) || !field(ret, l->serial, err)))
		return false;
	if (*l->todo && (!stg_buf_add_str(ret, "^FO160,114^A0N,20,18^FB288,2,0,L,0", err) || !field(ret, l->todo, err)))
		return false;
	/* above 14 characters the thinner bars are needed to stay on the label */
	if (!stg_buf_printf(ret, err, "^FO30,164^BY%d^BCN,56,Y,N,N,A", strlen(codes.bar) > 14 ? 1 : 2) || !field(ret, codes.bar, err))
		return false;
	if (l->is_rehearsal && (!stg_buf_add_str(ret, "^FO330,238^A0N,16,16", err) || !field(ret, "REHEARSAL", err)))
		return false;
	return stg_buf_add_str(ret, "^XZ\n", err);
}
