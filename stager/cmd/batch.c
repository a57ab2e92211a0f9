/*
 * batch.c - expected devices: import, check, start, pause, close.
 *
 * For:    people and scripts.
 * Uses:   ops/batch.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stager/text.h>

#include "_details.h"
#include "_verbs.h"
#include "_watch.h"

static const struct column batches[] = {
	{ "name", N_("name"), COLUMN_TEXT }, { "state", N_("state"), COLUMN_WORD },
	{ "blueprint", N_("blueprint"), COLUMN_TEXT }, { "balance.expected", N_("expected"), COLUMN_TEXT },
	{ "balance.staged", N_("staged"), COLUMN_TEXT }, { "balance.running", N_("running"), COLUMN_TEXT },
	{ "balance.waiting", N_("waiting"), COLUMN_TEXT }, { "balance.hold", N_("on hold"), COLUMN_TEXT },
	{ "balance.failed", N_("failed"), COLUMN_TEXT }, { "balance.missing", N_("missing"), COLUMN_TEXT },
	{ "balance.unexpected", N_("not in the order"), COLUMN_TEXT },
	{ 0 },
};
static const struct column rows[] = {
	{ "line", N_("line"), COLUMN_TEXT }, { "serial", N_("serial"), COLUMN_TEXT },
	{ "asset_tag", N_("tag"), COLUMN_TEXT }, { "name", N_("name"), COLUMN_TEXT },
	{ "end", N_("end"), COLUMN_STATE }, { "code", N_("why"), COLUMN_CODE },
	{ "reason", N_("detail"), COLUMN_DETAIL },
	{ 0 },
};

/* Where and about what, then the sentence and the act of its row, in this person's language. */
static void say_problem(const json_t *one)
{
	char where[400];
	const char *code = stg_json_str(one, "code");
	unsigned int id = strncmp(code, "STG-", 4) == 0 ? (unsigned int)strtoul(code + 4, NULL, 10) : 0;
	stg_printable(stg_json_str(one, "where"), true, where, sizeof(where));
	printf("%s\n    %s %s (%s)\n", where, stg_id_sentence(id), stg_id_act(id), code);
}

/* Who was found in the lists of people, and each line whose person was not. */
static void say_owners(const json_t *owners)
{
	size_t i;
	json_t *one;
	long long more = (long long)stg_json_int(owners, "problem_count", 0) - (long long)json_array_size(json_object_get(owners, "problems"));
	if (!owners)
		return;
	printf(_("Column '%s': %lld found in the lists of people, %lld to look at.\n"), stg_json_str(owners, "column"), (long long)stg_json_int(owners, "found", 0),
	       (long long)stg_json_int(owners, "problem_count", 0));
	json_array_foreach(json_object_get(owners, "problems"), i, one)
		say_problem(one);
	if (more > 0)
		printf(_("... and %lld more.\n"), more);
}

static void say_check(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	static const struct column columns[] = { { "heading", N_("column"), COLUMN_TEXT }, { "field", N_("becomes"), COLUMN_TEXT }, { 0 } };
	static const struct column first[] = {
		{ "line", N_("line"), COLUMN_TEXT }, { "serial", N_("serial"), COLUMN_TEXT }, { "imei", N_("IMEI"), COLUMN_TEXT },
		{ "name", N_("name"), COLUMN_TEXT }, { "asset_tag", N_("tag"), COLUMN_TEXT }, { "ownership", N_("ownership"), COLUMN_WORD }, { 0 },
	};
	long long n = (long long)stg_json_int(ret, "count", 0);
	if (json_array_size(json_object_get(ret, "columns"))) {
		printf(ngettext("%s: %lld device, encoding %s, separator '%s'\n\n", "%s: %lld devices, encoding %s, separator '%s'\n\n", (unsigned long)n),
		       stg_json_str(in, "file"), n, stg_json_str(ret, "encoding"),
		       strcmp(stg_json_str(ret, "separator"), "\t") == 0 ? _("tab") : stg_json_str(ret, "separator"));
		table_print(c, json_object_get(ret, "columns"), columns, NULL);
	}
	if (json_array_size(json_object_get(ret, "rows"))) {
		putchar('\n');
		table_print(c, json_object_get(ret, "rows"), first, NULL);
	}
	say_owners(json_object_get(ret, "owners"));
	if (json_array_size(json_object_get(ret, "problems"))) {
		n = (long long)stg_json_int(ret, "problem_count", 0);
		if (json_array_size(json_object_get(ret, "columns")))
			putchar('\n');
		size_t i;
		json_t *one;
		json_array_foreach(json_object_get(ret, "problems"), i, one)
			say_problem(one);
		printf(ngettext("%lld mistake must be corrected before this list can be imported.\n",
				"%lld mistakes must be corrected before this list can be imported.\n", (unsigned long)n), n);
	}
}

static int check_status(const json_t *ret)
{
	return stg_json_int(ret, "problem_count", 0) ? 3 : 0;
}

static void say_batch(const json_t *one)
{
	long long n = (long long)stg_json_int(one, "count", 0);
	printf(ngettext("Batch %s: %lld device, blueprint %s. Start it with: stager batch start %s\n",
			"Batch %s: %lld devices, blueprint %s. Start it with: stager batch start %s\n", (unsigned long)n), stg_json_str(one, "name"), n,
	       stg_json_str(one, "blueprint"), stg_json_str(one, "name"));
}

static void say_import(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	const json_t *second = json_object_get(ret, "second");
	long long n = (long long)stg_json_int(ret, "count", 0), assigned = (long long)stg_json_int(ret, "automated", 0);
	if (second)
		say_batch(second);
	if (n || !second)
		say_batch(ret);
	if (stg_json_int(ret, "registering", 0))
		printf(ngettext("%lld of them is registered before it enrols, as soon as there is a line.\n", "%lld of them are registered before they enrol, as soon as there is a line.\n",
				(unsigned long)stg_json_int(ret, "registering", 0)), (long long)stg_json_int(ret, "registering", 0));
	if (assigned && !stg_json_bool(ret, "has_route", true))
		printf(ngettext("%lld of them is assigned and refuses to be supervised by cable: import again with --abm-blueprint automated-enrolment\n",
				"%lld of them are assigned and refuse to be supervised by cable: import again with --abm-blueprint automated-enrolment\n",
				(unsigned long)assigned), assigned);
	say_owners(json_object_get(ret, "owners"));
	if (stg_json_bool(ret, "erases", false))
		puts(_("This blueprint erases. Nothing is erased until you confirm it with: stager wipe"));
}

/* --watch was asked for. */
static bool watching;

static void say_state(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)in;
	const char *state = stg_json_str(ret, "state");
	/* nobody would see what is plugged in; with --watch a station is started right after this */
	detail_warnings(json_object_get(ret, "warnings"));
	bool alone = c->caller->fd < 0 && strcmp(state, "started") == 0 && !watching;
	if (alone)
		printf(_("Batch %s is started, but no station runs. Start one: stager run, or stager status --watch\n"), stg_json_str(ret, "name"));
	else
		printf(strcmp(state, "started") == 0 ? _("Batch %s is started. Plug in.\n") : strcmp(state, "paused") == 0 ?
	       _("Batch %s is paused: what runs is finished, nothing new begins.\n") : _("Batch %s is open again; start it to go on.\n"),
	       stg_json_str(ret, "name"));
}

/* Nothing where no receiver wants devices before they enrol. */
static void say_registration(const json_t *batch)
{
	const json_t *r = json_object_get(batch, "registration");
	long long refused = (long long)stg_json_int(r, "refused", 0);
	if (!r)
		return;
	printf(_("Registered before enrolment: %lld of %lld"), (long long)stg_json_int(r, "registered", 0), (long long)stg_json_int(r, "wanted", 0));
	if (refused)
		printf(_(", %lld refused; see: stager outbox list --state rejected"), refused);
	puts(".");
}

static void say_show(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)in;
	STG_AUTO(stg_json_free_at) json_t *one = json_array();
	json_array_append(one, (json_t *)(uintptr_t)ret);
	table_print(c, one, batches, NULL);
	say_registration(ret);
	putchar('\n');
	/* who was not in the order has no end, but a word */
	size_t i;
	json_t *row;
	json_array_foreach(json_object_get(ret, "rows"), i, row)
		if (stg_json_bool(row, "unexpected", false) && !*stg_json_str(row, "end"))
			stg_json_put(row, "end", "unexpected");
	table_print(c, json_object_get(ret, "rows"), rows, NULL);
}

static void say_updated(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	size_t i;
	json_t *one;
	(void)c, (void)in;
	detail_warnings(json_object_get(ret, "warnings"));
	if (!stg_json_bool(ret, "changed", false)) {
		printf(_("Batch %s: the blueprint and its profiles are as they were.\n"), stg_json_str(ret, "name"));
		return;
	}
	printf(_("Batch %s takes the blueprint as it is now. Staged with the old one: %zu\n"), stg_json_str(ret, "name"),
	       json_array_size(json_object_get(ret, "staged_with_old")));
	json_array_foreach(json_object_get(ret, "staged_with_old"), i, one)
		printf("  %s\n", json_is_string(one) ? json_string_value(one) : stg_json_str(one, "serial"));
}

static void say_closed(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	const json_t *n = json_object_get(ret, "balance");
	(void)c, (void)in;
	printf(_("Batch %s is closed: %lld expected, %lld staged, %lld waiting, %lld on hold, %lld failed, %lld missing.\n"), stg_json_str(ret, "name"),
	       (long long)stg_json_int(n, "expected", 0), (long long)stg_json_int(n, "staged", 0), (long long)stg_json_int(n, "waiting", 0),
	       (long long)stg_json_int(n, "hold", 0), (long long)stg_json_int(n, "failed", 0), (long long)stg_json_int(n, "missing", 0));
	printf("  %s\n  %s\n  %s\n", stg_json_str(ret, "result"), stg_json_str(ret, "exceptions"), stg_json_str(ret, "handover"));
}

static const struct verb verbs[] = {
	{ "", "batch.list", "", batches, NULL, NULL, NULL },
	{ "list", "batch.list", "", batches, NULL, NULL, NULL },
	{ "check", "batch.check", "file< --map:", NULL, NULL, say_check, check_status },
	{ "import", "batch.import", "file< --*name= --*blueprint= --map: --params: --people= --abm< --abm_blueprint=", NULL, NULL, say_import, NULL },
	{ "show", "batch.show", "name", NULL, NULL, say_show, NULL },
	{ "start", "batch.start", "name --ports, --params: --org= --canaries# --until= --despite=", NULL, NULL, say_state, NULL },
	{ "pause", "batch.pause", "name", NULL, NULL, say_state, NULL },
	{ "reopen", "batch.reopen", "name", NULL, NULL, say_state, NULL },
	{ "update", "batch.update", "name --ports, --params: --org= --until= --despite=", NULL, NULL, say_updated, NULL },
	{ "close", "batch.close", "name --dir= --open! --lang=", NULL, NULL, say_closed, NULL },
	{ 0 },
};

/* Takes --watch out of the words: it is the board's, not the operation's. */
static bool wants_board(struct stg_cmd_ctx *c)
{
	int to = 0;
	bool found = false;
	for (int i = 0; i < c->argc; i++) {
		if (i > 1 && strcmp(c->argv[1], "start") == 0 && strcmp(c->argv[i], "--watch") == 0)
			found = true;
		else
			c->argv[to++] = c->argv[i];
	}
	c->argc = to;
	return found;
}

/* A folder is where the person stands, not where the station does. */
static char *from_here(struct stg_cmd_ctx *c)
{
	char here[4096], *full = NULL;
	for (int i = 2; i < c->argc && !full; i++) {
		bool apart = strcmp(c->argv[i], "--dir") == 0 && i + 1 < c->argc;
		const char *dir = apart ? c->argv[i + 1] : strncmp(c->argv[i], "--dir=", 6) == 0 ? c->argv[i] + 6 : "/";
		if (!*dir || *dir == '/' || !getcwd(here, sizeof(here)) || asprintf(&full, "--dir=%s/%s", here, dir) < 0)
			continue;
		c->argv[i] = full;
		for (int k = i + 1; apart && k + 1 < c->argc; k++)
			c->argv[k] = c->argv[k + 1];
		c->argc -= apart;
	}
	return full;
}

static int run(struct stg_cmd_ctx *c)
{
	bool watch = watching = wants_board(c);
	STG_AUTO(stg_free_at) char *dir __attribute__((unused)) = from_here(c);
	int status = verbs_run(c, verbs);
	if (!watch || status)
		return status;
	/* the first word after "start" that is no option and no option's value is the batch's name */
	for (int i = 2; i < c->argc; i++) {
		if (strncmp(c->argv[i], "--", 2) != 0)
			return board_watch(c, c->argv[i]);
		if (!strchr(c->argv[i], '='))
			i++;
	}
	return status;
}

const struct stg_cmd stg_cmd_batch = {
	.name = "batch",
	.usage = N_("stager batch check FILE [--map serial=COL]\n"
		    "    how the columns of a list are understood, its first rows, and what must be corrected\n"
		    "stager batch import FILE --name NAME --blueprint B [--map serial=COL] [--params KEY=VALUE] [--people warn|refuse|off] [--abm LIST.csv [--abm-blueprint B2]]\n"
		    "    --people: what a line means whose owner the lists of people (stager people) do not know; warn\n"
		    "    keeps the list as a batch; --params sets values of the blueprint; --abm lists the serials assigned in Apple Business\n"
		    "    or School Manager: with --abm-blueprint they become a batch of their own, NAME-abm, that enrols by itself\n"
		    "stager batch list | show NAME\n"
		    "    all batches; one batch with every device and its end\n"
		    "stager batch start NAME [--ports A1-A8] [--params KEY=VALUE] [--org ORGANISATION] [--canaries N] [--until DAY] [--despite REASON]\n"
		    "        [--watch]\n"
		    "    from now on its devices are staged when they are plugged in\n"
		    "    --org    whose devices they become, when this station serves several organisations\n"
		    "    --canaries N  the first N of a model and system that are new to this blueprint, with extra checks; the rest waits\n"
		    "    --until  its last day: refused when something it needs ends before (see: stager expiry); --despite: a lead lets it begin\n"
		    "    --watch  the live board until every device of the batch has an end; starts a station when none runs\n"
		    "stager batch pause NAME | reopen NAME\n"
		    "    pause: what runs is finished, nothing new begins; reopen: a closed batch can be started again\n"
		    "stager batch update NAME [--params KEY=VALUE] [--until DAY] [--despite REASON]\n"
		    "    takes the blueprint as it is now, and lists who was staged with the old one\n"
		    "stager batch close NAME [--dir DIR] [--open]\n"
		    "    writes result.csv, exceptions.csv and the hand-over sheet; --open closes although devices are still open"),
	.about = N_("expected devices: import, check, start, pause, close"),
	.run = run,
};
