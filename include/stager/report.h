/*
 * report.h - the papers: labels and hand-over sheets.
 *
 * They are made from what the inventory says, in the language asked for, whatever language the station speaks. Fonts:
 * DejaVu. Text is drawn as text, never interpreted. Threads: any; no state.
 */
#ifndef STAGER_REPORT_H
#define STAGER_REPORT_H

#include <stager/json.h>

/*
 * The hand-over sheet of a batch: a PDF of as many A4 pages as needed. First what is handed over, one line a device with
 * its tag, serial, name, what remains to do and a box to tick; then what is not, with the reason and the next act;
 * then the lines to sign. `batch` and `rows` as stg_store_batch() and stg_store_batch_rows() give them.
 */
struct stg_handover {
	const json_t *batch, *rows;
	const char *lang;               /* "en" or "fr" */
	const char *station;            /* its name, "" for none */
	int64_t now_ms;
	bool is_rehearsal;              /* said on every page */
};
bool stg_report_handover(const struct stg_handover *h, struct stg_buf *ret_pdf, struct stg_error *err);

/* One label, 57 x 32 mm: asset tag, name, serial, a QR code of the serial, a Code 128 of the tag (else of the serial). */
struct stg_label {
	const char *asset_tag, *serial, *name;   /* "" for none; a serial or a tag there must be */
	const char *todo;               /* what remains to do, one line; "" for nothing */
	bool is_rehearsal;
};
bool stg_label_png(const struct stg_label *l, struct stg_buf *ret, struct stg_error *err);   /* 300 dots per inch */
bool stg_label_zpl(const struct stg_label *l, struct stg_buf *ret, struct stg_error *err);   /* 203 dots per inch, UTF-8 */

/* A wallpaper: big tick, title, owner, QR code; half the pixels of this product type's screen. */
struct stg_wallpaper_ask {
	const char *model;              /* "iPad13,18"; unknown ones get the newest phone's shape */
	const char *title, *owner;      /* "" for none */
	const char *code;               /* printable ASCII, 1 to 64 */
	bool tick, is_rehearsal;
};
bool stg_wallpaper_png(const struct stg_wallpaper_ask *ask, struct stg_buf *ret, struct stg_error *err);
void stg_screen_of(const char *model, int *ret_width, int *ret_height);

/* "Exception until 2026-12-31: no camera lens", of the row's "override" list; "" for none. */
void stg_report_exception(const json_t *row, const char *lang, char *ret, size_t size);
/* What a person still has to do about a row of a batch, in this language; "" when it is done. */
void stg_report_todo(const json_t *row, const char *lang, char *ret, size_t size);

#endif
