/*
 * handover.c - the sheet that is signed when devices change hands.
 *
 * For:    the end of a batch: who gets which devices, what remains to do on each, what is not there and why.
 * Uses:   cairo's PDF, pango.
 * Called: `batch close`, `report handover`.
 * Thread: any.
 *
 * The page is laid out twice: once to count the pages, once to draw them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cairo-pdf.h>

#include <stager/clock.h>
#include <stager/report.h>
#include <stager/text.h>

#include "paper.h"

#define PDF_MAX ((size_t)64 << 20)
#define PAGE_W 595.28
#define PAGE_H 841.89
#define MARGIN 40.0
#define BOTTOM (PAGE_H - 48.0)
#define WIDE (PAGE_W - 2 * MARGIN)
#define SIGN_H 120.0

enum word {
	TITLE, BATCH, BLUEPRINT, STATION, PRINTED, EXPECTED, STAGED, WAITING, HOLD, FAILED, MISSING, MISSING_ONE, RUNNING, UNEXPECTED, GIVEN, NOT_GIVEN, STRANGERS, TAG, SERIAL,
	NAME, TODO, WHY, NOTHING, NOT_SEEN, NOT_ORDERED, GIVEN_BY, RECEIVED_BY, NAME_DATE, SIGNATURE, PAGE, REHEARSAL, NONE_GIVEN, COUNT_SENTENCE, WORDS
};

static const char *const words[WORDS][2] = {
	[TITLE] = { "Hand-over sheet", "Bordereau de remise" }, [BATCH] = { "Batch", "Lot" }, [BLUEPRINT] = { "Blueprint", "Blueprint" },
	[STATION] = { "Station", "Station" }, [PRINTED] = { "Date", "Date" }, [EXPECTED] = { "expected", "attendus" }, [STAGED] = { "staged", "préparés" },
	[WAITING] = { "waiting", "en attente" }, [HOLD] = { "on hold", "mis de côté" }, [FAILED] = { "failed", "en échec" }, [MISSING] = { "missing", "manquants" }, [MISSING_ONE] = { "missing", "manquant" },
	[RUNNING] = { "running", "en cours" }, [UNEXPECTED] = { "not in the order", "hors commande" }, [GIVEN] = { "Handed over", "Remis" },
	[NOT_GIVEN] = { "Not handed over", "Non remis" }, [STRANGERS] = { "Seen, but not in the order", "Vus, mais hors commande" },
	[TAG] = { "Asset tag", "Étiquette" }, [SERIAL] = { "Serial number", "N° de série" }, [NAME] = { "Name", "Nom" },
	[TODO] = { "What remains to do", "Reste à faire" }, [WHY] = { "Why, and what to do", "Pourquoi, et que faire" },
	[NOTHING] = { "nothing", "rien" }, [NOT_SEEN] = { "Never seen on the bench. Look for it, then plug it in.", "Jamais vu sur le banc. Cherchez-le, puis branchez-le." },
	[NOT_ORDERED] = { "Put aside; nothing was changed on it.", "À mettre de côté ; rien n'y a été modifié." },
	[GIVEN_BY] = { "Handed over by", "Remis par" }, [RECEIVED_BY] = { "Received by", "Reçu par" }, [NAME_DATE] = { "Name and date", "Nom et date" },
	[SIGNATURE] = { "Signature", "Signature" }, [PAGE] = { "page %d of %d", "page %d sur %d" },
	[REHEARSAL] = { "REHEARSAL: virtual devices, no real one was touched", "RÉPÉTITION : appareils virtuels, aucun vrai n'a été touché" },
	[NONE_GIVEN] = { "No device is ready to be handed over.", "Aucun appareil n'est prêt à être remis." },
	[COUNT_SENTENCE] = { "%lld of %lld handed over", "%lld sur %lld remis" },
};

struct sheet {
	const struct stg_handover *h;
	cairo_t *c;
	int fr;
	bool draw;
	double y;
	int page, pages;
};

static const char *say(const struct sheet *s, enum word w)
{
	return words[w][s->fr];
}

static void rule(struct sheet *s, double y, double thick, double grey)
{
	if (!s->draw)
		return;
	cairo_set_source_rgb(s->c, grey, grey, grey);
	cairo_set_line_width(s->c, thick);
	cairo_move_to(s->c, MARGIN, y);
	cairo_line_to(s->c, PAGE_W - MARGIN, y);
	cairo_stroke(s->c);
}

static void date_text(int64_t ms, char *ret, size_t size)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;
	/* the year first: 03/04 would be two days on two sides of the Channel */
	if (!localtime_r(&t, &tm) || !strftime(ret, size, "%Y-%m-%d %H:%M", &tm))
		ret[0] = 0;
}

static void page_foot(struct sheet *s)
{
	char text[64], when[32];
	snprintf(text, sizeof(text), s->fr ? "page %d sur %d" : "page %d of %d", s->page, s->pages);
	date_text(s->h->now_ms, when, sizeof(when));
	struct paper_text small = { .x = MARGIN, .y = PAGE_H - 34, .width = WIDE, .size = 7.5, .grey = 0.35 };
	char left[256];
	snprintf(left, sizeof(left), "%s · %s · %s", say(s, TITLE), stg_json_str(s->h->batch, "name"), when);
	paper_text(s->c, &small, left, s->draw);
	small.right = true;
	paper_text(s->c, &small, text, s->draw);
	if (!s->h->is_rehearsal)
		return;
	struct paper_text band = { .x = MARGIN, .y = 16, .width = WIDE, .size = 9, .bold = true, .centre = true };
	paper_text(s->c, &band, say(s, REHEARSAL), s->draw);
}

static void page_new(struct sheet *s)
{
	if (s->page && s->draw) {
		page_foot(s);
		cairo_show_page(s->c);
	}
	s->page++;
	s->y = MARGIN;
}

static void page_need(struct sheet *s, double height)
{
	if (s->y + height > BOTTOM)
		page_new(s);
}

/* ---- the head ---- */

static void fact(struct sheet *s, double x, double width, enum word label, const char *value)
{
	struct paper_text small = { .x = x, .y = s->y, .width = width, .size = 7.5, .grey = 0.35 };
	double h = paper_text(s->c, &small, say(s, label), s->draw);
	struct paper_text big = { .x = x, .y = s->y + h + 1, .width = width, .size = 10 };
	paper_text(s->c, &big, value, s->draw);
}

static void head(struct sheet *s)
{
	static const struct {
		const char *key;
		enum word word;
	} sums[] = {
		{ "expected", EXPECTED }, { "staged", STAGED }, { "waiting", WAITING }, { "hold", HOLD }, { "failed", FAILED }, { "missing", MISSING },
		{ "running", RUNNING }, { "unexpected", UNEXPECTED },
	};
	const json_t *balance = json_object_get(s->h->batch, "balance");
	char when[32], text[128];
	struct paper_text title = { .x = MARGIN, .y = s->y, .width = WIDE, .size = 20, .bold = true };
	double h = paper_text(s->c, &title, say(s, TITLE), s->draw);
	snprintf(text, sizeof(text), s->fr ? "%lld sur %lld remis" : "%lld of %lld handed over", (long long)stg_json_int(balance, "staged", 0),
		 (long long)stg_json_int(balance, "expected", 0));
	struct paper_text count = { .x = MARGIN, .y = s->y + 6, .width = WIDE, .size = 12, .bold = true, .right = true };
	paper_text(s->c, &count, text, s->draw);
	s->y += h + 8;
	date_text(s->h->now_ms, when, sizeof(when));
	fact(s, MARGIN, 140, BATCH, stg_json_str(s->h->batch, "name"));
	fact(s, MARGIN + 150, 160, BLUEPRINT, stg_json_str(s->h->batch, "blueprint"));
	char host[65] = "";
	(void)gethostname(host, sizeof(host) - 1);
	fact(s, MARGIN + 320, 90, STATION, *s->h->station ? s->h->station : host);
	fact(s, MARGIN + 415, WIDE - 415, PRINTED, when);
	s->y += 30;
	double x = MARGIN;
	for (size_t i = 0; i < STG_ARRAY_LEN(sums); i++) {
		int64_t n = stg_json_int(balance, sums[i].key, 0);
		bool always = strcmp(sums[i].key, "expected") == 0 || strcmp(sums[i].key, "staged") == 0;
		if (!n && !always)
			continue;
		/* not "3 blocked": the word need not agree with the number */
		snprintf(text, sizeof(text), s->fr ? "%s\u00a0: %lld" : "%s: %lld", say(s, sums[i].word), (long long)n);
		struct paper_text one = { .x = x, .y = s->y, .size = 9 };
		paper_text(s->c, &one, text, s->draw);
		x += paper_width(s->c, &one, text) + 14;
	}
	s->y += 18;
	rule(s, s->y, 1, 0);
	s->y += 8;
}

/* ---- the tables ---- */

struct columns {
	double tag, serial, name, last;     /* left edges */
};
static const struct columns at = { MARGIN, MARGIN + 84, MARGIN + 180, MARGIN + 310 };
#define BOX 11.0

static void table_head(struct sheet *s, enum word last)
{
	struct paper_text t = { .y = s->y, .size = 7.5, .bold = true, .grey = 0.2 };
	t.x = at.tag, t.width = at.serial - at.tag - 6;
	paper_text(s->c, &t, say(s, TAG), s->draw);
	t.x = at.serial, t.width = at.name - at.serial - 6;
	paper_text(s->c, &t, say(s, SERIAL), s->draw);
	t.x = at.name, t.width = at.last - at.name - 6;
	paper_text(s->c, &t, say(s, NAME), s->draw);
	t.x = at.last, t.width = PAGE_W - MARGIN - BOX - 6 - at.last;
	paper_text(s->c, &t, say(s, last), s->draw);
	s->y += 13;
	rule(s, s->y, 0.6, 0.2);
	s->y += 3;
}

static double row_cells(struct sheet *s, const json_t *row, const char *last, bool draw)
{
	const char *serial = stg_json_str(row, "serial"), *named = *serial ? serial : *stg_json_str(row, "imei") ? stg_json_str(row, "imei") : stg_json_str(row, "udid");
	struct paper_text t = { .y = s->y, .size = 9 };
	double h, most;
	t.x = at.tag, t.width = at.serial - at.tag - 6, t.bold = true;
	t.wrap = true, t.lines_max = 2;
	most = paper_text(s->c, &t, stg_json_str(row, "asset_tag"), draw);
	t.bold = false, t.mono = true, t.size = 8.5;
	t.x = at.serial, t.width = at.name - at.serial - 6;
	h = paper_text(s->c, &t, named, draw);
	most = h > most ? h : most;
	t.mono = false, t.size = 9;
	t.x = at.name, t.width = at.last - at.name - 6;
	h = paper_text(s->c, &t, *stg_json_str(row, "name") ? stg_json_str(row, "name") : stg_json_str(row, "model_name"), draw);
	most = h > most ? h : most;
	t.x = at.last, t.width = PAGE_W - MARGIN - BOX - 6 - at.last, t.size = 8.5, t.lines_max = 3;
	h = paper_text(s->c, &t, last, draw);
	return h > most ? h : most;
}

static void table_row(struct sheet *s, const json_t *row, const char *last, enum word heading, bool box)
{
	double h = row_cells(s, row, last, false) + 6;
	if (s->y + h > BOTTOM) {
		page_new(s);
		table_head(s, heading);
	}
	row_cells(s, row, last, s->draw);
	if (box && s->draw) {
		cairo_set_source_rgb(s->c, 0, 0, 0);
		cairo_set_line_width(s->c, 0.8);
		cairo_rectangle(s->c, PAGE_W - MARGIN - BOX, s->y, BOX - 1, BOX - 1);
		cairo_stroke(s->c);
	}
	s->y += h;
	rule(s, s->y - 3, 0.4, 0.75);
}

enum part { PART_GIVEN, PART_NOT_GIVEN, PART_STRANGERS };

static bool belongs(const json_t *row, enum part part)
{
	bool is_stranger = stg_json_bool(row, "unexpected", false), is_staged = strcmp(stg_json_str(row, "end"), "staged") == 0;
	return part == PART_STRANGERS ? is_stranger : !is_stranger && is_staged == (part == PART_GIVEN);
}

static const char *state_word(const struct sheet *s, const json_t *row)
{
	static const struct {
		const char *end;
		enum word word;
	} ends[] = { { "waiting", WAITING }, { "hold", HOLD }, { "failed", FAILED }, { "missing", MISSING_ONE }, { "running", RUNNING } };
	for (size_t i = 0; i < STG_ARRAY_LEN(ends); i++)
		if (strcmp(ends[i].end, stg_json_str(row, "end")) == 0)
			return say(s, ends[i].word);
	return "";
}

static void table(struct sheet *s, enum part part, enum word title, enum word last_heading)
{
	char text[1000], todo[512], exception[300];
	int64_t n = 0;
	size_t i;
	json_t *row;
	json_array_foreach((json_t *)(uintptr_t)s->h->rows, i, row)
		n += belongs(row, part);
	if (!n && part != PART_GIVEN)
		return;
	page_need(s, 60);
	snprintf(text, sizeof(text), "%s (%lld)", say(s, title), (long long)n);
	struct paper_text big = { .x = MARGIN, .y = s->y, .width = WIDE, .size = 12, .bold = true };
	s->y += paper_text(s->c, &big, text, s->draw) + 5;
	if (!n) {
		struct paper_text none = { .x = MARGIN, .y = s->y, .width = WIDE, .size = 9 };
		s->y += paper_text(s->c, &none, say(s, NONE_GIVEN), s->draw) + 12;
		return;
	}
	table_head(s, last_heading);
	json_array_foreach((json_t *)(uintptr_t)s->h->rows, i, row) {
		if (!belongs(row, part))
			continue;
		stg_report_todo(row, s->h->lang, todo, sizeof(todo));
		if (part == PART_STRANGERS)
			stg_copy(todo, sizeof(todo), say(s, NOT_ORDERED));
		if (part == PART_NOT_GIVEN)
			snprintf(text, sizeof(text), "%s · %s", state_word(s, row), todo);
		else
			stg_copy(text, sizeof(text), *todo ? todo : say(s, NOTHING));
		stg_report_exception(row, s->h->lang, exception, sizeof(exception));
		if (*exception) {
			size_t len = strlen(text);
			snprintf(text + len, sizeof(text) - len, " · %s", exception);
		}
		table_row(s, row, text, last_heading, part == PART_GIVEN);
	}
	s->y += 12;
}

static void signatures(struct sheet *s)
{
	page_need(s, SIGN_H);
	s->y += 6;
	for (int side = 0; side < 2; side++) {
		double x = MARGIN + side * (WIDE / 2 + 8), w = WIDE / 2 - 8;
		struct paper_text who = { .x = x, .y = s->y, .width = w, .size = 10, .bold = true };
		paper_text(s->c, &who, say(s, side ? RECEIVED_BY : GIVEN_BY), s->draw);
		for (int line = 0; line < 2; line++) {
			double y = s->y + 46 + line * 44;
			if (s->draw) {
				cairo_set_source_rgb(s->c, 0, 0, 0);
				cairo_set_line_width(s->c, 0.6);
				cairo_move_to(s->c, x, y);
				cairo_line_to(s->c, x + w, y);
				cairo_stroke(s->c);
			}
			struct paper_text small = { .x = x, .y = y + 2, .width = w, .size = 7.5, .grey = 0.35 };
			paper_text(s->c, &small, say(s, line ? SIGNATURE : NAME_DATE), s->draw);
		}
	}
	s->y += SIGN_H;
}

static void lay_out(struct sheet *s)
{
	s->page = 0;
	page_new(s);
	head(s);
	table(s, PART_GIVEN, GIVEN, TODO);
	table(s, PART_NOT_GIVEN, NOT_GIVEN, WHY);
	table(s, PART_STRANGERS, STRANGERS, TODO);
	signatures(s);
	if (s->draw)
		page_foot(s);
}

void stg_report_exception(const json_t *row, const char *lang, char *ret, size_t size)
{
	bool fr = strcmp(lang, "fr") == 0;
	size_t i;
	json_t *one;
	ret[0] = 0;
	json_array_foreach(json_object_get(row, "override"), i, one) {
		char until[32];
		size_t len = strlen(ret);
		date_text(stg_json_int(one, "until_ms", 0), until, sizeof(until));
		snprintf(ret + len, size - len, fr ? "%sException jusqu'au %.10s : %s" : "%sException until %.10s: %s", len ? " · " : "", until,
			 stg_json_str(one, "reason"));
	}
	stg_mend_end(ret);
}

void stg_report_todo(const json_t *row, const char *lang, char *ret, size_t size)
{
	int fr = strcmp(lang, "fr") == 0;
	const char *end = stg_json_str(row, "end"), *held = stg_json_str(row, "hold_reason"), *own = stg_json_str(json_object_get(row, "attributes"), "todo");
	unsigned int id = (unsigned int)stg_json_int(row, "code", 0);
	const char *sentence = stg_id_sentence_in(id, lang), *act = stg_id_act_in(id, lang);
	ret[0] = 0;
	if (strcmp(end, "staged") == 0)
		stg_copy(ret, size, own);       /* a column "todo" of the order: finish on the ward's Wi-Fi... */
	else if (strcmp(end, "missing") == 0 && !id)
		stg_copy(ret, size, words[NOT_SEEN][fr]);
	else if (*held)
		snprintf(ret, size, "%s%s%s", held, *stg_json_str(row, "owner") ? " · " : "", stg_json_str(row, "owner"));
	else if (*sentence)
		snprintf(ret, size, "%s %s", sentence, act);
	else
		stg_copy(ret, size, stg_json_str(row, "msg"));
}

bool stg_report_handover(const struct stg_handover *h, struct stg_buf *ret_pdf, struct stg_error *err)
{
	*ret_pdf = STG_BUF(PDF_MAX);
	cairo_surface_t *pdf = cairo_pdf_surface_create_for_stream(paper_write, ret_pdf, PAGE_W, PAGE_H);
	cairo_t *c = cairo_create(pdf);
	struct sheet s = { .h = h, .c = c, .fr = strcmp(h->lang, "fr") == 0 };
	char title[160];
	snprintf(title, sizeof(title), "%s %s", say(&s, TITLE), stg_json_str(h->batch, "name"));
	cairo_pdf_surface_set_metadata(pdf, CAIRO_PDF_METADATA_TITLE, title);
	cairo_pdf_surface_set_metadata(pdf, CAIRO_PDF_METADATA_CREATOR, "stager");
	lay_out(&s);
	s.pages = s.page;
	s.draw = true;
	lay_out(&s);
	cairo_show_page(c);
	cairo_surface_finish(pdf);
	bool ok = paper_ok(c, pdf, err);
	cairo_destroy(c);
	cairo_surface_destroy(pdf);
	return ok;
}
