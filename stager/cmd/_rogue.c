/*
 * _rogue.c - what in a profile, or on a device, nobody here has allowed; and the list of what is.
 *
 * For:    profile.c.
 * Uses:   ops/rogue.c; stage.c to read a device anew (blueprint census).
 * Called: profile.c.
 * Thread: the command's.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stager/text.h>

#include "_child.h"
#include "_io.h"
#include "_show.h"
#include "_stage.h"
#include "_table.h"
#include "_verbs.h"
#include "_words.h"

#include "_rogue.h"

static const struct column findings[] = {
	{ "of", N_("file or device"), COLUMN_TEXT }, { "level", N_("level"), COLUMN_WORD }, { "code", N_("why"), COLUMN_CODE }, { "what", N_("what"), COLUMN_TEXT },
	{ "path", N_("where"), COLUMN_TEXT }, { "line", N_("line"), COLUMN_TEXT },
	{ 0 },
};
static const struct column allowed[] = {
	{ "kind", N_("kind"), COLUMN_WORD }, { "value", N_("allowed"), COLUMN_TEXT }, { "name", N_("name"), COLUMN_TEXT }, { "note", N_("note"), COLUMN_TEXT },
	{ "by", N_("by"), COLUMN_WORD }, { "at_ms", N_("since"), COLUMN_TIME }, { "ends_ms", N_("until"), COLUMN_TIME },
	{ 0 },
};

/* Reads the device anew where it is plugged in; the exit status. */
static int read_again(struct stg_cmd_ctx *c, const char *serial)
{
	STG_AUTO(stg_json_free_at) json_t *in = json_object(), *ask = json_pack("{s:s}", "serial", serial), *known = NULL;
	json_t *names = json_array();
	struct stg_error err = { 0 };
	struct child station;
	int status = 0;
	struct stg_caller *caller = stg_cmd_caller(c, &status);
	if (!caller)
		return status;
	/* one that was just plugged in has said no more than its UDID */
	stg_json_put_new(in, "serials", names);
	json_array_append_new(names, json_string(serial));
	if (stg_call(caller, "inventory.show", ask, NULL, 0, &known, NULL) && *stg_json_str(known, "udid"))
		json_array_append(names, json_object_get(known, "udid"));
	if (!station_needed(caller, &station, &err))
		return stg_cmd_tell(c, &err);
	bool json = c->json;
	c->json = false;               /* what is printed is the report */
	status = stage_devices(c, caller, "census", in);
	c->json = json;
	station_release(caller, &station);
	return status;
}

struct report {
	json_t *rows;
	int64_t looked, errors, warnings, open;
};

static void add(struct report *r, const char *of, const json_t *ret)
{
	const json_t *list = json_object_get(ret, "findings");
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *one = json_array_get(list, i);
		bool is_error = strcmp(stg_json_str(one, "level"), "error") == 0;
		stg_json_put(one, "of", of);
		json_array_append(r->rows, one);
		r->errors += is_error;
		r->warnings += !is_error;
	}
	r->looked++;
	r->open += (int64_t)json_array_size(json_object_get(ret, "open"));
}

static int look(struct stg_cmd_ctx *c, struct report *r, const char *word, const char *device)
{
	STG_AUTO(stg_json_free_at) json_t *in = json_object(), *ret = NULL;
	int fds[1] = { -1 }, status = 0;
	size_t n = 0;
	if (device)
		stg_json_put(in, "device", device);
	bool ok = (device || profile_given(c, word, "file", "profile", in, fds, &n, &status)) && stg_cmd_call(c, "profile.rogue", in, fds, n, &ret, &status);
	if (n)
		close(fds[0]);
	if (ok)
		add(r, device ? device : stg_json_str(ret, "file"), ret);
	return ok ? 0 : status;
}

/* What to do, once for each kind of thing that was found. */
static void say_acts(const struct report *r)
{
	bool told[10000] = { false };
	for (size_t i = 0; i < json_array_size(r->rows); i++) {
		const char *code = stg_json_str(json_array_get(r->rows, i), "code");
		unsigned long id = strlen(code) > 4 ? strtoul(code + 4, NULL, 10) : 0;
		if (id >= STG_ARRAY_LEN(told) || told[id])
			continue;
		told[id] = true;
		printf("%s: %s\n", code, stg_id_act((unsigned int)id));
	}
}

/* `status`: of what could not be looked at; then nothing is said of the whole. */
static int tell(struct stg_cmd_ctx *c, struct report *r, int status)
{
	table_print(c, r->rows, findings, json_pack("{s:I,s:I,s:I,s:I}", "looked_at", (json_int_t)r->looked, "errors", (json_int_t)r->errors, "warnings",
						    (json_int_t)r->warnings, "open", (json_int_t)r->open));
	if (!c->json && !c->quiet) {
		say_acts(r);
		if (r->open)
			printf(_("Filled in for each device and not judged: %lld values.\n"), (long long)r->open);
		if (!r->errors && !status)
			puts(_("Nothing in it leads anywhere that is not allowed."));
	}
	return r->errors ? 5 : status;
}

int rogue_run(struct stg_cmd_ctx *c)
{
	static const struct option options[] = { { "device", required_argument, NULL, 'd' }, { "read", no_argument, NULL, 'r' }, { 0 } };
	STG_AUTO(stg_json_free_at) json_t *rows = json_array();
	struct report r = { .rows = rows };
	const char *device = NULL;
	bool again = false;
	int opt, status = 0;
	optind = 2;     /* behind "profile rogue" */
	while ((opt = word_option(c, options)) != -1) {
		if (opt == '?')
			return 2;
		if (opt == 'd')
			device = optarg;
		else
			again = true;
	}
	if ((optind < c->argc) == (device != NULL) || (again && !device)) {
		fprintf(stderr, "%s\n%s %s --help\n", _("stager profile rogue: expected files, or --device and a serial number"), _("See: stager"), "profile");
		return 2;
	}
	if (again && (status = read_again(c, device)) != 0)
		return status;
	if (device && (status = look(c, &r, NULL, device)) != 0)
		return status;
	for (; optind < c->argc; optind++) {
		int one = look(c, &r, c->argv[optind], NULL);
		if (one == 4 || one == 2)
			return one;
		status = one > status ? one : status;
	}
	return tell(c, &r, status);
}

/* ---- the list ---- */

static int allow_one(struct stg_cmd_ctx *c, json_t *in, const char *kind, const char *value)
{
	STG_AUTO(stg_json_free_at) json_t *ret = NULL;
	STG_AUTO(stg_secret_clear) struct stg_secret pin = { 0 };
	STG_AUTO(stg_close_at) int fd = -1;
	struct stg_error err = { 0 };
	int status = 0;
	bool is_file = strcmp(kind, "signer") == 0 || (strcmp(kind, "certificate") == 0 && access(value, F_OK) == 0);
	stg_json_put(in, "kind", kind);
	stg_json_put(in, "value", value);
	if (is_file && (fd = input_open(value, &err)) < 0)
		return stg_cmd_tell(c, &err);
	if (*stg_json_str(in, "second")) {
		if (!secret_ask(_("PIN of the second person"), &pin, &err))
			return stg_cmd_tell(c, &err);
		stg_json_put_new(in, "second_pin", json_stringn((const char *)stg_secret_reveal(&pin).data, stg_secret_reveal(&pin).len));
	}
	if (!stg_cmd_call(c, "profile.allow.add", in, &fd, is_file ? 1 : 0, &ret, &status))
		return status;
	if (c->json)
		document_print(c, ret);
	else if (!c->quiet)
		printf(_("%s is allowed from now on.\n"), stg_json_str(ret, "value"));
	return 0;
}

int allow_run(struct stg_cmd_ctx *c)
{
	static const struct option options[] = { { "name", required_argument, NULL, 'n' }, { "note", required_argument, NULL, 'o' },
						 { "second", required_argument, NULL, 's' }, { 0 } };
	STG_AUTO(stg_json_free_at) json_t *in = json_object(), *ret = NULL;
	int opt, status = 0;
	optind = 2;     /* behind "profile allow" */
	while ((opt = word_option(c, options)) != -1) {
		if (opt == '?')
			return 2;
		stg_json_put(in, opt == 'n' ? "name" : opt == 'o' ? "note" : "second", optarg);
	}
	int left = c->argc - optind;
	if (left == 2)
		return allow_one(c, in, c->argv[optind], c->argv[optind + 1]);
	if (left != 0 && !(left == 1 && strcmp(c->argv[optind], "list") == 0)) {
		fprintf(stderr, "%s\n%s %s --help\n", _("stager profile allow: expected nothing, or a kind and what is allowed"), _("See: stager"), "profile");
		return 2;
	}
	if (!stg_cmd_call(c, "profile.allow", NULL, NULL, 0, &ret, &status))
		return status;
	table_print(c, ret, allowed, NULL);
	return 0;
}
