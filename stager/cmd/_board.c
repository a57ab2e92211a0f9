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

#define DRAW_MS 100
#define SAID 3

struct board {
	enum board_mode mode;
	FILE *to;
	json_t *slots;            /* by attach, in the order of arrival */
	int lines;                /* drawn last time */
	int64_t drawn_ms;
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
	free(b);
}

/* What a hand must do, or why nothing goes on: never a code without a sentence. */
static const char *hint(const json_t *slot)
{
	static const char *const asks[][2] = {
		{ "trust", N_("Not ours? Do not tap Trust. Ours: tap Trust.") },
		{ "unlock", N_("Unlock it.") },
		{ "settings_profile", N_("On the device: Settings, install the profile.") },
		{ "replug", N_("Unplug it, plug it in again.") },
		{ "charge", N_("Leave it to charge.") },
	};
	const char *ask = stg_json_str(slot, "ask"), *code = stg_json_str(slot, "code");
	for (size_t i = 0; *ask && i < STG_ARRAY_LEN(asks); i++)
		if (strcmp(asks[i][0], ask) == 0)
			return _(asks[i][1]);
	if (strncmp(code, "STG-", 4) == 0)
		return stg_id_sentence((unsigned int)strtoul(code + 4, NULL, 10));
	return stg_json_str(slot, "detail");
}

static void put_line(struct board *b, const json_t *slot)
{
	const char *state = stg_json_str(slot, "state");
	const struct look *l = look_of(state);
	char name[64], text[64], who[64];
	const char *label = stg_json_str_or(slot, "label", "");
	stg_printable(*label ? label : stg_json_str_or(slot, "port", "?"), true, name, sizeof(name));
	stg_printable(stg_json_str_or(slot, "serial", stg_json_str(slot, "udid")), true, who, sizeof(who));
	int of = (int)stg_json_int(slot, "step_of", 0), n = (int)stg_json_int(slot, "step_n", 0);
	int64_t left = stg_json_int(slot, "left_ms", 0);
	text[0] = 0;
	if (l->busy && of && n) {
		char step[40];
		stg_printable(stg_json_str(slot, "step"), true, step, sizeof(step));
		snprintf(text, sizeof(text), "%d/%d %s", n, of, step);
	}
	const char *word = _(l->word);
	int pad = 17 - (int)stg_text_columns(word);
	fprintf(b->to, "%-8s %s%s%s%s %s%*s %-13.13s %-8.8s %-22s", name, b->colour && *l->colour ? "\033[" : "", b->colour ? l->colour : "",
		b->colour && *l->colour ? "m" : "", l->sign, word, pad > 0 ? pad : 0, "", who, stg_json_str(slot, "asset_tag"), text);
	if (b->colour && *l->colour)
		fputs("\033[0m", b->to);
	if (strcmp(state, "working") == 0 && left > 0 && of)
		fprintf(b->to, " ≤%llds", (long long)(left + 999) / 1000);
	else if (strcmp(state, "working") != 0 && strcmp(state, "staged") != 0)
		fprintf(b->to, " %s", hint(slot));
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
			put_line(b, slot);
			fputc('\n', b->to);
		}
		b->dirty = true;
	} else if (strcmp(what, "left") == 0) {
		snprintf(key, sizeof(key), "%020lld", (long long)stg_json_int(event, "attach", 0));
		json_object_del(b->slots, key);
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

static int by_port(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	return strverscmp(stg_json_str(x, "port"), stg_json_str(y, "port"));
}

void board_draw(struct board *b)
{
	int64_t now = stg_boot_ms();
	if (b->mode != BOARD_DRAWN || now - b->drawn_ms < DRAW_MS || (!b->dirty && b->drawn_ms))
		return;
	struct winsize size = { .ws_row = 40 };
	(void)ioctl(fileno(b->to), TIOCGWINSZ, &size);
	size_t n = json_object_size(b->slots), at = 0, room = size.ws_row > 8 ? size.ws_row - 6u : 20;
	json_t **sorted = stg_calloc(n + 1, sizeof(*sorted));
	const char *key;
	json_t *slot;
	json_object_foreach(b->slots, key, slot)
		sorted[at++] = slot;
	qsort(sorted, n, sizeof(*sorted), by_port);
	if (b->lines)
		fprintf(b->to, "\033[%dA", b->lines);
	b->lines = 0;
	for (size_t i = 0; i < n && i < room; i++, b->lines++) {
		put_line(b, sorted[i]);
		fputs("\033[K\n", b->to);
	}
	if (n > room) {
		fprintf(b->to, _("... and %zu more ports"), n - room);
		fputs("\033[K\n", b->to);
		b->lines++;
	}
	fprintf(b->to, "%s %d   %s %d   %s %d   %s %d   %s %d\033[K\n", _("staged"), totals(b, "staged"), _("working"), totals(b, "working"),
		_("needs a hand"), totals(b, "person"), _("waiting"), totals(b, "waiting"), _("failed"), totals(b, "failed"));
	b->lines++;
	for (int i = 0; i < SAID; i++, b->lines++)
		fprintf(b->to, "%s\033[K\n", b->said[i]);
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
