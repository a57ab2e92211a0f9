/*
 * _board.c - the live board in a terminal.
 *
 * For:    demo, run, batch start, stage.
 * Uses:   gettext; terminal control sequences of ECMA-48 only.
 * Called: from commands, with the station's events.
 * Thread: the command's.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <stager/clock.h>
#include <stager/error.h>
#include <stager/text.h>

#include "_board.h"
#include "_busline.h"
#include "_details.h"

#define DRAW_MS 100
#define SAID 3

struct board {
	enum board_mode mode;
	FILE *to;
	json_t *slots;            /* by attach, in the order of arrival */
	json_t *bus;              /* what fits on the hubs */
	int lines;                /* drawn last time */
	int64_t drawn_ms;
	size_t width;             /* of the terminal, when drawn */
	bool dirty, colour;
	char said[SAID][160];
};

struct look {
	const char *state, *sign, *colour, *word;
	bool busy;
};

/* Symbols survive black and white and a terminal without colours (product.md F). */
static const struct look looks[] = {
	{ "listed", "·", "2", N_("left alone"), false },
	{ "queued", "…", "", N_("next"), true },
	{ "looking", "?", "", N_("looking"), true },
	{ "working", "▶", "36", N_("working"), true },
	{ "person", "▲", "33", N_("needs a hand"), true },
	{ "waiting", "◔", "33", N_("waiting"), false },
	{ "staged", "✔", "32", N_("staged"), false },
	{ "hold", "‖", "35", N_("on hold"), false },
	{ "failed", "✘", "31", N_("failed"), false },
	{ "unexpected", "◇", "35", N_("not in the order"), false },
	{ "interrupted", "↺", "33", N_("restarts"), true },
	{ "missing", "·", "2", N_("not seen yet"), false },
	{ "running", "▶", "36", N_("working"), true },
	{ "recovery", "R", "35", N_("recovery mode"), false },
	{ "dfu", "D", "35", N_("DFU mode"), false },
	{ "missing", "○", "", N_("missing"), false },
	{ "restore", "R", "35", N_("restore mode"), false },
};

static const struct look *look_of(const char *state)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(looks); i++)
		if (strcmp(looks[i].state, state) == 0)
			return &looks[i];
	return &looks[0];
}

const char *board_word(const char *state)
{
	return _(look_of(state)->word);
}

const char *board_sign(const char *state)
{
	return look_of(state)->sign;
}

struct board *board_new(enum board_mode mode, FILE *to)
{
	struct board *b = stg_calloc(1, sizeof(*b));
	bool terminal = isatty(fileno(to));
	const char *term = getenv("TERM");
	b->mode = mode != BOARD_AUTO ? mode : terminal && term && strcmp(term, "dumb") != 0 ? BOARD_DRAWN : BOARD_PLAIN;
	b->colour = terminal && !getenv("NO_COLOR");
	b->to = to;
	b->slots = json_object();
	return b;
}

void board_free(struct board *b)
{
	if (!b)
		return;
	b->drawn_ms = 0;
	board_draw(b);
	json_decref(b->slots);
	json_decref(b->bus);
	free(b);
}

/* What a hand must do, or why nothing goes on: never a code without a sentence. */
static const char *hint(const json_t *slot, char *room, size_t size)
{
	static const char *const asks[][2] = {
		{ "trust", N_("Not ours? Do not tap Trust. Ours: tap Trust.") },
		{ "unlock", N_("Unlock it.") },
		{ "settings_profile", N_("On the device: Settings, install the profile.") },
		{ "enrol", N_("On the device: Remote Management, Enrol.") },
		{ "replug", N_("Unplug it, plug it in again.") },
		{ "charge", N_("Leave it to charge.") },
	};
	const char *ask = stg_json_str(slot, "ask"), *code = stg_json_str(slot, "code");
	for (size_t i = 0; *ask && i < STG_ARRAY_LEN(asks); i++)
		if (strcmp(asks[i][0], ask) == 0)
			return _(asks[i][1]);
	if (strncmp(code, "STG-", 4) == 0)
		return stg_id_sentence((unsigned int)strtoul(code + 4, NULL, 10));
	detail_text(stg_json_str(slot, "detail"), room, size);
	return room;
}

/* The word of a step as a person reads it; a step of a newer station keeps its own word. */
static const char *step_word(const char *step)
{
	static const char *const words[][2] = {
		{ "identify", N_("identify") }, { "require", N_("check it fits") }, { "pair", N_("pair") }, { "activate", N_("activate") },
		{ "supervise", N_("supervise") }, { "install_profile", N_("install profile") }, { "issue_certificate", N_("certificate") },
		{ "verify", N_("verify") }, { "check_rules", N_("rules") }, { "read_details", N_("read details") }, { "set_name", N_("set name") }, { "set_time", N_("set clock") }, { "restart", N_("restart") },
		{ "erase", N_("erase") }, { "wait_back", N_("wait for return") }, { "automated_enrolment", N_("enrolment") },
		{ "remove_profile", N_("remove profile") }, { "set_language", N_("set language") }, { "wifi", N_("Wi-Fi") },
		{ "wallpaper", N_("wallpaper") }, { "clear_passcode", N_("clear passcode") },
		{ "clear_restrictions_password", N_("clear restrictions code") }, { "escrow_unlock_token", N_("keep unlock token") },
		{ "shutdown", N_("switch off") },
		{ "intake_check", N_("intake checks") }, { "install_app", N_("install app") }, { "remove_app", N_("remove app") },
		{ "put_document", N_("document") },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(words); i++)
		if (strcmp(words[i][0], step) == 0)
			return _(words[i][1]);
	return step;
}

/* Adds a text cut to `width` columns and, but for the last of a line, filled up to it. */
static void add_cell(char *line, size_t size, const char *text, size_t width)
{
	char shown[300];
	size_t at = strlen(line);
	stg_printable(text, true, shown, sizeof(shown));
	shown[stg_text_fits(shown, width)] = 0;
	size_t pad = width - stg_text_columns(shown);
	snprintf(line + at, size - at, "%s%*s ", shown, (int)pad, "");
}

/* The columns of a line before the step or the hint: what of the terminal is left belongs to those. */
#define STATE_COLUMNS 18
#define SERIAL_COLUMNS 12
#define TAG_COLUMNS 8

static size_t label_columns(const json_t *slot)
{
	const char *label = stg_json_str(slot, "label");
	size_t n = stg_text_columns(*label ? label : stg_json_str(slot, "port"));
	return n < 8 ? 8 : n > 16 ? 16 : n;
}

/* One port. A hint that does not fit beside the rest stands below it: what a hand must do is never cut away. Returns the lines. */
static int put_line(struct board *b, const json_t *slot, size_t labels)
{
	const char *state = stg_json_str(slot, "state"), *label = stg_json_str(slot, "label");
	const struct look *l = look_of(state);
	char where[64] = "", line[900] = "", what[400] = "", word[100], told[300];
	int of = (int)stg_json_int(slot, "step_of", 0), n = (int)stg_json_int(slot, "step_n", 0);
	int64_t left = stg_json_int(slot, "left_ms", 0);
	bool working = strcmp(state, "working") == 0;
	add_cell(where, sizeof(where), *label ? label : stg_json_str_or(slot, "port", "?"), labels);
	snprintf(word, sizeof(word), "%s %s", l->sign, _(l->word));
	add_cell(line, sizeof(line), word, STATE_COLUMNS);
	add_cell(line, sizeof(line), stg_json_str_or(slot, "serial", stg_json_str(slot, "udid")), SERIAL_COLUMNS);
	add_cell(line, sizeof(line), stg_json_str(slot, "asset_tag"), TAG_COLUMNS);
	const char *tip = working || strcmp(state, "staged") == 0 ? "" : hint(slot, told, sizeof(told));
	if (l->busy && of && n && !*tip) {
		char step[60] = "";
		add_cell(step, sizeof(step), step_word(stg_json_str(slot, "step")), 16);
		snprintf(what, sizeof(what), "%2d/%d %s", n, of, step);
		int percent = (int)stg_json_int(slot, "percent", 0);
		if (working && percent > 0)
			snprintf(what + strlen(what), sizeof(what) - strlen(what), "%3d %% ", percent);
		if (working && left > 0)
			snprintf(what + strlen(what), sizeof(what) - strlen(what), "≤%llds", (long long)(left + 999) / 1000);
	} else {
		stg_printable(tip, true, what, sizeof(what));
	}
	const char *on = b->colour ? l->colour : "";
	size_t room = b->mode == BOARD_DRAWN && b->width > labels + 1 ? b->width - labels - 1 : sizeof(line);
	size_t indent = room == sizeof(line) ? 0 : labels + 3;
	bool below = indent && *what && stg_text_columns(line) + stg_text_columns(what) > room;
	if (!below)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), "%s", what);
	for (size_t end = strlen(line); end && line[end - 1] == ' ';)
		line[--end] = 0;
	line[stg_text_fits(line, room)] = 0;
	fprintf(b->to, "%s%s%s%s%s%s", where, *on ? "\033[" : "", on, *on ? "m" : "", line, *on ? "\033[0m" : "");
	if (below) {
		what[stg_text_fits(what, b->width > indent ? b->width - indent : 0)] = 0;
		fprintf(b->to, "\033[K\n%*s%s%s%s%s%s", (int)indent, "", *on ? "\033[" : "", on, *on ? "m" : "", what, *on ? "\033[0m" : "");
	}
	return 1 + below;
}

void board_event(struct board *b, const json_t *event)
{
	const char *what = stg_json_str(event, "what");
	const json_t *slot = json_object_get(event, "slot");
	char key[32];
	if (strcmp(what, "slot") == 0 && slot) {
		snprintf(key, sizeof(key), "%020lld", (long long)stg_json_int(slot, "attach", 0));
		const json_t *before = json_object_get(b->slots, key);
		bool changed = !before || strcmp(stg_json_str(before, "state"), stg_json_str(slot, "state")) != 0 ||
			       strcmp(stg_json_str(before, "step"), stg_json_str(slot, "step")) != 0 ||
			       strcmp(stg_json_str(before, "ask"), stg_json_str(slot, "ask")) != 0;
		json_object_set(b->slots, key, (json_t *)(uintptr_t)slot);
		if (b->mode == BOARD_PLAIN && changed) {
			(void)put_line(b, slot, 8);
			fputc('\n', b->to);
		}
		b->dirty = true;
	} else if (strcmp(what, "left") == 0) {
		snprintf(key, sizeof(key), "%020lld", (long long)stg_json_int(event, "attach", 0));
		json_object_del(b->slots, key);
		b->dirty = true;
	} else if (strcmp(what, "bus") == 0) {
		json_decref(b->bus);
		b->bus = json_incref(json_object_get(event, "bus"));
		b->dirty = true;
	}
}

static int totals(const struct board *b, const char *state)
{
	const char *key;
	json_t *slot;
	int n = 0;
	json_object_foreach(b->slots, key, slot)
		n += strcmp(stg_json_str(slot, "state"), state) == 0;
	return n;
}

/* Every state that somebody is in: staged, working and failed always, so that a zero is read and not guessed. */
static void put_totals(struct board *b)
{
	static const char *const states[] = { "staged", "working", "person", "waiting", "hold", "unexpected", "interrupted", "failed" };
	size_t at = 0;
	for (size_t i = 0; i < STG_ARRAY_LEN(states); i++) {
		char one[80];
		int n = totals(b, states[i]);
		if (!n && i > 1 && i + 1 < STG_ARRAY_LEN(states))
			continue;
		snprintf(one, sizeof(one), "%s %d", board_word(states[i]), n);
		size_t wide = stg_text_columns(one);
		if (at && at + 3 + wide > b->width) {
			fputs("\033[K\n", b->to);
			b->lines++;
			at = 0;
		}
		fprintf(b->to, "%s%.*s", at ? "   " : "", (int)stg_text_fits(one, b->width), one);
		at += (at ? 3 : 0) + wide;
	}
	fputs("\033[K\n", b->to);
	b->lines++;
}

/* How much more fits, and the cheapest thing that would help: one line each. */
static void put_bus(struct board *b)
{
	char text[400];
	bus_room(b->bus, text, sizeof(text));
	for (int i = 0; i < 2 && (i == 0 || bus_fix(b->bus, 0, text, sizeof(text))); i++)
		if (text[0]) {
			fprintf(b->to, "%.*s\033[K\n", (int)stg_text_fits(text, b->width), text);
			b->lines++;
		}
}

static int by_port(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	return strverscmp(stg_json_str(x, "port"), stg_json_str(y, "port"));
}

static int need(const json_t *slot)
{
	const char *state = stg_json_str(slot, "state");
	return strcmp(state, "person") == 0 ? 0 : look_of(state)->busy ? 1 : 2;
}

/* Who waits for a hand, then who works, then who has an end: for a terminal too small for all. */
static int by_need(const void *a, const void *b)
{
	int x = need(*(json_t *const *)a), y = need(*(json_t *const *)b);
	return x != y ? x - y : by_port(a, b);
}

void board_draw(struct board *b)
{
	int64_t now = stg_boot_ms();
	if (b->mode != BOARD_DRAWN || now - b->drawn_ms < DRAW_MS || (!b->dirty && b->drawn_ms))
		return;
	struct winsize size = { .ws_row = 40, .ws_col = 80 };
	(void)ioctl(fileno(b->to), TIOCGWINSZ, &size);
	size_t n = json_object_size(b->slots), at = 0, labels = 8;
	int room = size.ws_row > 10 ? size.ws_row - 8 : size.ws_row > 8 ? size.ws_row - 6 : 20;
	b->width = size.ws_col ? size.ws_col : 80;
	json_t **sorted = stg_calloc(n + 1, sizeof(*sorted));
	const char *key;
	json_t *slot;
	json_object_foreach(b->slots, key, slot) {
		sorted[at++] = slot;
		labels = label_columns(slot) > labels ? label_columns(slot) : labels;
	}
	qsort(sorted, n, sizeof(*sorted), (int)n < room ? by_port : by_need);
	if (b->lines)
		fprintf(b->to, "\033[%dA", b->lines);
	b->lines = 0;
	/* a line may need a second one for its hint */
	for (at = 0; at < n && b->lines + 1 < room; at++) {
		b->lines += put_line(b, sorted[at], labels);
		fputs("\033[K\n", b->to);
	}
	if (at < n) {
		fprintf(b->to, _("... and %zu more ports"), n - at);
		fputs("\033[K\n", b->to);
		b->lines++;
	}
	put_totals(b);
	put_bus(b);
	for (int i = 0; i < SAID; i++, b->lines++)
		fprintf(b->to, "%.*s\033[K\n", (int)stg_text_fits(b->said[i], b->width), b->said[i]);
	fputs("\033[J", b->to);
	fflush(b->to);
	free(sorted);
	b->drawn_ms = now;
	b->dirty = false;
}

void board_say(struct board *b, const char *text)
{
	if (b->mode == BOARD_SILENT)
		return;
	if (b->mode == BOARD_PLAIN) {
		fprintf(b->to, "-- %s\n", text);
		return;
	}
	memmove(b->said[0], b->said[1], sizeof(b->said) - sizeof(b->said[0]));
	snprintf(b->said[SAID - 1], sizeof(b->said[0]), "-- %s", text);
	b->dirty = true;
}

int board_known(const struct board *b)
{
	return (int)json_object_size(b->slots);
}

int board_busy(const struct board *b)
{
	const char *key;
	json_t *slot;
	int n = 0;
	json_object_foreach(b->slots, key, slot)
		n += look_of(stg_json_str(slot, "state"))->busy;
	return n;
}

bool board_has(const struct board *b, const char *serial)
{
	const char *key;
	json_t *slot;
	json_object_foreach(b->slots, key, slot)
		if (strcmp(stg_json_str(slot, "serial"), serial) == 0 || strcmp(stg_json_str(slot, "udid"), serial) == 0)
			return true;
	return false;
}
