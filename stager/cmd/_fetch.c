/*
 * _fetch.c - an enrolment profile from the MDM, by its address or as a file; and those that are due, again.
 *
 * For:    profile.c.
 * Uses:   ops/fetch.c: what the MDM gave on one thread is written down on another, so two operations.
 * Called: profile.c.
 * Thread: the command's.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stager/clock.h>
#include <stager/text.h>

#include "_io.h"
#include "_table.h"
#include "_words.h"

#include "_fetch.h"

/* The first day it does not work, as a date. */
static void say_kept(const struct stg_cmd_ctx *c, const json_t *kept)
{
	int64_t end = stg_json_int(kept, "not_after_ms", 0);
	char when[STG_TIME_TEXT];
	if (c->quiet || c->json)
		return;
	stg_time_text(end, when);
	if (end)
		printf(_("%s is kept; it works until %.10s\n"), stg_json_str(kept, "name"), when);
	else
		printf(_("%s is kept; nothing in it says when it ends\n"), stg_json_str(kept, "name"));
	if (!stg_json_bool(kept, "changed", true))
		printf("%s\n", _("The MDM gave the same profile as before."));
}

/* ret_kept (may be NULL): what was kept. */
static int fetch_one(struct stg_cmd_ctx *c, const json_t *in, int ca, json_t **ret_kept)
{
	STG_AUTO(stg_json_free_at) json_t *got = NULL, *kept = NULL;
	int status = 0;
	if (!stg_cmd_call(c, "profile.fetch", in, &ca, ca >= 0 ? 1 : 0, &got, &status) || !stg_cmd_call(c, "profile.keep", got, NULL, 0, &kept, &status))
		return status;
	say_kept(c, kept);
	if (ret_kept)
		*ret_kept = stg_steal(kept);
	return 0;
}

/* Each that is due; one that fails leaves the others alone. */
static int fetch_due(struct stg_cmd_ctx *c)
{
	STG_AUTO(stg_json_free_at) json_t *rows = NULL, *done = json_array();
	int status = 0, worst = 0;
	size_t i;
	json_t *row;
	if (!stg_cmd_call(c, "profile.fetched", NULL, NULL, 0, &rows, &status))
		return status;
	json_array_foreach(rows, i, row) {
		if (!stg_json_bool(row, "due", false))
			continue;
		STG_AUTO(stg_json_free_at) json_t *in = json_object(), *kept = NULL;
		stg_json_put(in, "name", stg_json_str(row, "name"));
		status = fetch_one(c, in, -1, &kept);
		if (kept)
			json_array_append(done, kept);
		worst = status > worst ? status : worst;
	}
	if (c->json)
		document_print(c, done);
	else if (!json_array_size(done) && !worst && !c->quiet)
		printf("%s\n", _("Nothing is due."));
	return worst;
}

static int from_file(struct stg_cmd_ctx *c, json_t *in, const char *path)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *kept = NULL;
	STG_AUTO(stg_close_at) int fd = input_open(path, &err);
	int status = 0;
	if (fd < 0)
		return stg_cmd_tell(c, &err);
	stg_json_put(in, "file", path);
	stg_json_put_new(in, "files", json_pack("[s]", "file"));
	if (!stg_cmd_call(c, "profile.keep", in, &fd, 1, &kept, &status))
		return status;
	if (c->json)
		document_print(c, kept);
	say_kept(c, kept);
	return 0;
}

static int usage(const char *what)
{
	fprintf(stderr, "stager profile fetch: %s\n%s %s --help\n", what, _("See: stager"), "profile");
	return 2;
}

int fetch_run(struct stg_cmd_ctx *c)
{
	enum { FROM = 256, MDM, SECRET, USER, HEADER, CA, LIFE, ONCE, DUE };
	static const struct option options[] = {
		{ "from", required_argument, NULL, FROM }, { "mdm", required_argument, NULL, MDM }, { "secret", required_argument, NULL, SECRET },
		{ "user", required_argument, NULL, USER }, { "header", required_argument, NULL, HEADER }, { "ca", required_argument, NULL, CA },
		{ "life-days", required_argument, NULL, LIFE }, { "once", no_argument, NULL, ONCE }, { "due", no_argument, NULL, DUE }, { 0 },
	};
	static const char *const keys[] = { "", "mdm", "secret", "user", "header" };
	STG_AUTO(stg_json_free_at) json_t *in = json_object(), *kept = NULL;
	STG_AUTO(stg_close_at) int ca = -1;
	struct stg_error err = { 0 };
	const char *from = "";
	bool due = false;
	char *end = NULL;
	int opt;
	optind = 2;     /* behind "profile fetch" */
	while ((opt = word_option(c, options)) != -1) {
		if (opt == FROM) {
			from = optarg;
		} else if (opt >= MDM && opt <= HEADER) {
			stg_json_put(in, keys[opt - FROM], optarg);
		} else if (opt == CA) {
			stg_close_at(&ca);
			ca = input_open(optarg, &err);
			if (ca < 0)
				return stg_cmd_tell(c, &err);
			stg_json_put(in, "ca", optarg);
			stg_json_put_new(in, "files", json_pack("[s]", "ca"));
		} else if (opt == LIFE) {
			long days = strtol(optarg, &end, 10);
			if (!*optarg || *end || days < 1 || days > 3650)
				return usage(_("--life-days takes a number from 1 to 3650"));
			stg_json_put_int(in, "life_days", days);
		} else if (opt == ONCE) {
			stg_json_put_bool(in, "once", true);
		} else if (opt == DUE) {
			due = true;
		} else {
			return 2;
		}
	}
	if (due)
		return optind < c->argc || json_object_size(in) || *from ? usage(_("--due takes nothing else")) : fetch_due(c);
	if (optind >= c->argc)
		return usage(_("NAME is missing"));
	stg_json_put(in, "name", c->argv[optind++]);
	if (!words_end(c))
		return 2;
	if (!*from && json_object_size(in) > 1)
		return usage(_("--from is missing: an address or a file"));
	if (*from && !strstr(from, "://"))
		return from_file(c, in, from);
	stg_json_put(in, "url", from);
	int status = fetch_one(c, in, ca, &kept);
	if (c->json && kept)
		document_print(c, kept);
	return status;
}
