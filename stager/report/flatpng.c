/*
 * flatpng.c - a picture of few colours as a small PNG, quickly.
 *
 * For:    wallpaper.c: flat ground, white words, one tick. Cairo's own writer filters and packs three bytes a pixel, which costs
 *         more than drawing; here a pixel is one byte of a palette.
 * Uses:   zlib.
 * Called: by wallpaper.c.
 * Thread: any.
 * Facts:  PNG specification (ISO/IEC 15948): signature, IHDR, PLTE, IDAT, IEND; colour type 3, filter 0.
 */
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "paper.h"

enum { COLOURS = 256, EXACT = 3, CELLS = 1 << 15, LEVEL = 3 };

struct palette {
	uint8_t rgb[COLOURS][3];
	int n;
	int16_t of[CELLS];      /* by the upper five bits of each channel; -1: not seen yet */
};

static void put32(uint8_t *to, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(v >> (24 - 8 * i));
}

static bool chunk(struct stg_buf *out, const char *type, const void *data, size_t len, struct stg_error *err)
{
	uint8_t head[8], tail[4];
	put32(head, (uint32_t)len);
	memcpy(head + 4, type, 4);
	uLong crc = crc32(crc32(0, NULL, 0), head + 4, 4);
	put32(tail, (uint32_t)(len ? crc32(crc, data, (uInt)len) : crc));
	return stg_buf_add(out, head, 8, err) && stg_buf_add(out, data, len, err) && stg_buf_add(out, tail, 4, err);
}

static int add(struct palette *p, uint32_t v)
{
	if (p->n == COLOURS)
		return COLOURS - 1;
	for (int i = 0; i < 3; i++)
		p->rgb[p->n][i] = (uint8_t)(v >> (16 - 8 * i));
	return p->n++;
}

/* Ground, white and black as they are; what lies between, at the edges of letters, in steps the eye does not see. */
static uint8_t index_of(struct palette *p, uint32_t v, const uint32_t exact[EXACT])
{
	for (int i = 0; i < EXACT; i++)
		if (v == exact[i])
			return (uint8_t)i;
	size_t cell = (v >> 9 & 0x7c00) | (v >> 6 & 0x3e0) | (v >> 3 & 0x1f);
	if (p->of[cell] < 0)
		p->of[cell] = (int16_t)add(p, (v & 0xf8f8f8) | 0x040404);
	return (uint8_t)p->of[cell];
}

bool paper_flat_png(cairo_surface_t *s, struct stg_buf *ret, struct stg_error *err)
{
	static const uint8_t signature[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };
	int w = cairo_image_surface_get_width(s), h = cairo_image_surface_get_height(s), stride = cairo_image_surface_get_stride(s);
	const uint8_t *pixels = cairo_image_surface_get_data(s);
	size_t line = (size_t)w + 1, len = line * (size_t)h;
	uint32_t first;
	if (!pixels || w < 1 || h < 1)
		return stg_fail(err, STG_E_BUG, 0, "a picture without pixels");
	memcpy(&first, pixels, sizeof(first));
	const uint32_t exact[EXACT] = { first & 0xffffff, 0xffffff, 0 };
	struct palette *p = stg_calloc(1, sizeof(*p));
	uint8_t *flat = stg_calloc(len, 1), head[13] = { 0 };
	uLongf packed_len = compressBound(len);
	uint8_t *packed = stg_calloc(packed_len, 1);
	memset(p->of, 0xff, sizeof(p->of));
	for (int i = 0; i < EXACT; i++)
		add(p, exact[i]);
	uint32_t last = exact[0];
	uint8_t at = 0;
	for (int y = 0; y < h; y++) {
		const uint8_t *row = pixels + (size_t)y * (size_t)stride;
		uint8_t *to = flat + (size_t)y * line + 1;
		for (int x = 0; x < w; x++) {
			uint32_t v;
			memcpy(&v, row + 4 * (size_t)x, sizeof(v));
			v &= 0xffffff;
			if (v != last) {
				last = v;
				at = index_of(p, v, exact);
			}
			to[x] = at;
		}
	}
	put32(head, (uint32_t)w);
	put32(head + 4, (uint32_t)h);
	head[8] = 8;        /* bits */
	head[9] = 3;        /* palette */
	bool ok = compress2(packed, &packed_len, flat, len, LEVEL) == Z_OK || stg_fail(err, STG_E_NOMEM, 0, "pack a picture");
	ok = ok && stg_buf_add(ret, signature, sizeof(signature), err) && chunk(ret, "IHDR", head, sizeof(head), err) &&
	     chunk(ret, "PLTE", p->rgb, 3 * (size_t)p->n, err) && chunk(ret, "IDAT", packed, packed_len, err) && chunk(ret, "IEND", NULL, 0, err);
	free(p);
	free(flat);
	free(packed);
	return ok;
}
