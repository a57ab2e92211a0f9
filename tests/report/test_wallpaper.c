/*
 * test_wallpaper.c - the picture that makes a device its own label: the right size for each screen, a tick that is seen from
 * afar or none, a code a camera reads, words that stay inside; and what cannot be drawn is said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cairo.h>
#include <cmocka.h>
#include <zint.h>

#include <stager/error.h>
#include <stager/report.h>

struct picture {
	struct stg_buf png;
	size_t at;
	cairo_surface_t *s;
	int w, h, stride;
	const uint8_t *pixels;
};

static cairo_status_t feed(void *ctx, unsigned char *to, unsigned int n)
{
	struct picture *p = ctx;
	if (p->png.len - p->at < n)
		return CAIRO_STATUS_READ_ERROR;
	memcpy(to, p->png.data + p->at, n);
	p->at += n;
	return CAIRO_STATUS_SUCCESS;
}

static void draw(const struct stg_wallpaper_ask *ask, struct picture *p)
{
	struct stg_error err = { 0 };
	*p = (struct picture){ 0 };
	if (!stg_wallpaper_png(ask, &p->png, &err))
		fail_msg("%s: %s", ask->model, err.msg);
	p->s = cairo_image_surface_create_from_png_stream(feed, p);
	assert_int_equal(cairo_surface_status(p->s), CAIRO_STATUS_SUCCESS);
	p->w = cairo_image_surface_get_width(p->s);
	p->h = cairo_image_surface_get_height(p->s);
	p->stride = cairo_image_surface_get_stride(p->s);
	p->pixels = cairo_image_surface_get_data(p->s);
}

static void drop(struct picture *p)
{
	cairo_surface_destroy(p->s);
	stg_buf_clear(&p->png);
}

static uint32_t pixel(const struct picture *p, int x, int y)
{
	uint32_t v;
	memcpy(&v, p->pixels + (size_t)y * (size_t)p->stride + 4 * (size_t)x, sizeof(v));
	return v & 0xffffff;
}

static long count(const struct picture *p, bool (*is)(uint32_t), int x0, int y0, int x1, int y1)
{
	long n = 0;
	for (int y = y0; y < y1; y++)
		for (int x = x0; x < x1; x++)
			n += is(pixel(p, x, y));
	return n;
}

static bool green(uint32_t v)
{
	return ((v >> 8) & 0xff) > 150 && (v >> 16) < 140 && (v & 0xff) < 170;
}

static bool white(uint32_t v)
{
	return v == 0xffffff;
}

/* The ground it is drawn on. */
static bool ground(uint32_t v)
{
	return abs((int)(v >> 16) - 18) < 4 && abs((int)((v >> 8) & 0xff) - 33) < 4 && abs((int)(v & 0xff) - 51) < 4;
}

static bool not_ground(uint32_t v)
{
	return !ground(v);
}

/* The code's white square, found by its longest white rows. Its modules, read off the picture, are those of the text. */
static void has_code(const struct picture *p, const char *text)
{
	int left = -1, right = -1, top = -1, bottom = -1;
	for (int y = p->h / 2; y < p->h; y++) {
		int from = -1, to = -1, run = 0;
		for (int x = 0; x < p->w; x++) {
			run = white(pixel(p, x, y)) ? run + 1 : 0;
			if (run > p->w / 6 && (from < 0 || to == x - 1)) {
				to = x;
				from = x - run + 1;
			}
		}
		if (from < 0)
			continue;
		if (top < 0 || from < left)
			left = from;
		top = top < 0 ? y : top;
		right = to > right ? to : right;
		bottom = y;
	}
	assert_true(top > 0);
	struct zint_symbol *z = ZBarcode_Create();
	z->symbology = BARCODE_QRCODE;
	z->option_1 = 2;
	assert_true(ZBarcode_Encode(z, (const unsigned char *)text, (int)strlen(text)) < ZINT_ERROR);
	int side = right - left + 1, module = side / (z->width + 8);
	if (module < 2 || bottom - top + 1 != side || side != module * (z->width + 8))
		fail_msg("a square of %dx%d for %d modules", side, bottom - top + 1, z->width);
	/* upright and in the middle, above the bar one swipes from */
	assert_true(abs((left + right) / 2 - p->w / 2) <= 1);
	assert_true(bottom < p->h * 96 / 100);
	for (int row = 0; row < z->rows; row++)
		for (int column = 0; column < z->width; column++) {
			bool dark = (z->encoded_data[row][column >> 3] >> (column & 7)) & 1;
			uint32_t v = pixel(p, left + (column + 4) * module + module / 2, top + (row + 4) * module + module / 2);
			if (v != (dark ? 0u : 0xffffffu))
				fail_msg("module %d,%d of '%s' is %06x", row, column, text, v);
		}
	ZBarcode_Delete(z);
}

static const char *const models[] = { "iPhone8,4", "iPhone12,8", "iPhone10,3", "iPhone13,1", "iPhone15,3", "iPhone16,1", "iPad6,8", "iPad7,5", "iPad12,1",
				      "iPad13,8", "iPad14,1", "iPad16,3", "iPhone99,1", "" };

static void each_screen_gets_half_its_points_with_a_code_that_reads(void **state)
{
	(void)state;
	for (size_t i = 0; i < STG_ARRAY_LEN(models); i++) {
		struct picture p;
		int w, h;
		struct stg_wallpaper_ask ask = { .model = models[i], .title = "A-1042", .owner = "Hôpital du Nord", .code = "F2LXK0AAAA01", .tick = true };
		draw(&ask, &p);
		stg_screen_of(models[i], &w, &h);
		assert_int_equal(p.w, w / 2);
		assert_int_equal(p.h, h / 2);
		has_code(&p, "F2LXK0AAAA01");
		assert_true(p.png.len < 128u << 10);
		/* room for the clock above, nothing at the edges */
		assert_int_equal(count(&p, not_ground, 0, 0, p.w, p.h / 4), 0);
		assert_int_equal(count(&p, not_ground, 0, 0, p.w / 40, p.h), 0);
		assert_int_equal(count(&p, not_ground, p.w - p.w / 40, 0, p.w, p.h), 0);
		drop(&p);
	}
}

static void the_tick_is_large_and_only_where_it_is_asked_for(void **state)
{
	(void)state;
	struct picture p;
	struct stg_wallpaper_ask ask = { .model = "iPhone14,5", .title = "A-1042", .owner = "", .code = "1", .tick = true };
	draw(&ask, &p);
	assert_true(count(&p, green, 0, 0, p.w, p.h) * 200 > (long)p.w * p.h);
	drop(&p);
	ask.tick = false;
	draw(&ask, &p);
	assert_int_equal(count(&p, green, 0, 0, p.w, p.h), 0);
	drop(&p);
}

static void long_words_become_smaller_and_stay_inside_and_the_longest_code_still_reads(void **state)
{
	(void)state;
	char title[129], owner[129], code[65];
	memset(title, 'W', 128);
	memset(owner, 'm', 128);
	memset(code, 'x', 64);
	title[128] = owner[128] = code[64] = 0;
	for (size_t i = 0; i < STG_ARRAY_LEN(models); i++) {
		struct picture p;
		struct stg_wallpaper_ask ask = { .model = models[i], .title = title, .owner = owner, .code = code, .tick = true, .is_rehearsal = true };
		draw(&ask, &p);
		has_code(&p, code);
		assert_int_equal(count(&p, not_ground, 0, 0, p.w / 40, p.h), 0);
		assert_int_equal(count(&p, not_ground, p.w - p.w / 40, 0, p.w, p.h), 0);
		drop(&p);
	}
}

static void what_a_code_cannot_hold_is_said(void **state)
{
	(void)state;
	static const char long_one[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
	static const char *const codes[] = { "", "\xc3\xa9tage", "a\nb", long_one };
	for (size_t i = 0; i < STG_ARRAY_LEN(codes); i++) {
		struct stg_error err = { 0 };
		STG_AUTO(stg_buf_clear) struct stg_buf png = { 0 };
		struct stg_wallpaper_ask ask = { .model = "iPhone14,5", .title = "A", .owner = "", .code = codes[i] };
		assert_false(stg_wallpaper_png(&ask, &png, &err));
		assert_int_equal(err.id, STG_ID_LABEL_CODE);
	}
}

static void the_same_device_gets_the_same_picture_and_a_rehearsal_says_so(void **state)
{
	(void)state;
	struct picture a, b;
	struct stg_wallpaper_ask ask = { .model = "iPad12,1", .title = "A-1042", .owner = "Nord", .code = "F2LXK0AAAA01", .tick = true };
	draw(&ask, &a);
	draw(&ask, &b);
	assert_true(stg_bytes_equal(stg_buf_view(&a.png), stg_buf_view(&b.png)));
	drop(&b);
	ask.is_rehearsal = true;
	draw(&ask, &b);
	assert_false(stg_bytes_equal(stg_buf_view(&a.png), stg_buf_view(&b.png)));
	drop(&a);
	drop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_screen_gets_half_its_points_with_a_code_that_reads),
		cmocka_unit_test(the_tick_is_large_and_only_where_it_is_asked_for),
		cmocka_unit_test(long_words_become_smaller_and_stay_inside_and_the_longest_code_still_reads),
		cmocka_unit_test(what_a_code_cannot_hold_is_said),
		cmocka_unit_test(the_same_device_gets_the_same_picture_and_a_rehearsal_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
