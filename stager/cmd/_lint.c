/*
 * _lint.c - many profiles checked at once, and the rules they are checked by.
 *
 * For:    profile.c.
 * Uses:   ops/profile.c; profiles/ to make a table of Apple's description, as the person who gave the folder.
 * Called: profile.c.
 * Thread: the command's.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <stager/payload.h>
#include <stager/text.h>

#include "_io.h"
#include "_table.h"
#include "_words.h"

#include "_lint.h"

static const struct column findings[] = {
	{ "level", N_("level"), COLUMN_WORD }, { "line", N_("line"), COLUMN_TEXT }, { "column", N_("column"), COLUMN_TEXT },
	{ "path", N_("where"), COLUMN_TEXT }, { "text", N_("what"), COLUMN_DETAIL },
	{ 0 },
};
static const struct column findings_of_files[] = {
	{ "file", N_("file"), COLUMN_TEXT }, { "level", N_("level"), COLUMN_WORD }, { "line", N_("line"), COLUMN_TEXT },
	{ "column", N_("column"), COLUMN_TEXT }, { "path", N_("where"), COLUMN_TEXT }, { "text", N_("what"), COLUMN_DETAIL },
	{ 0 },
};

struct counts {
	int64_t files, errors, warnings;
};

/* Adds what is said of one file; the exit status it asks for. */
static int lint_one(struct stg_cmd_ctx *c, const json_t *asked, const char *file, json_t *rows, struct counts *n)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *in = json_deep_copy(asked), *list = NULL;
	const char *key = stg_json_str(asked, "key");
	STG_AUTO(stg_close_at) int fd = input_open(file, &err);
	STG_AUTO(stg_close_at) int key_fd = fd >= 0 && *key ? input_open(key, &err) : -1;
	int status = 0, fds[2] = { fd, key_fd };
	if (fd < 0 || (*key && key_fd < 0))
		return stg_cmd_tell(c, &err);
	stg_json_put(in, "file", file);
	if (!stg_cmd_call(c, "profile.lint", in, fds, *key ? 2 : 1, &list, &status))
		return status;
	n->files++;
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *one = json_array_get(list, i);
		const char *level = stg_json_str(one, "level");
		bool is_error = strcmp(level, "error") == 0;
		n->errors += is_error;
		n->warnings += strcmp(level, "warning") == 0;
		status = is_error ? 3 : status;
		stg_json_put(one, "file", file);
		json_array_append(rows, one);
	}
	return status;
}

int lint_run(struct stg_cmd_ctx *c)
{
	static const struct option options[] = {
		{ "os", required_argument, NULL, 'o' }, { "supervised", no_argument, NULL, 's' }, { "unsupervised", no_argument, NULL, 'u' },
		{ "device", required_argument, NULL, 'd' }, { "key", required_argument, NULL, 'k' }, { "user-enrolment", no_argument, NULL, 'e' },
		{ "shared-ipad", no_argument, NULL, 'h' }, { 0 },
	};
	STG_AUTO(stg_json_free_at) json_t *asked = json_object(), *rows = json_array();
	struct counts n = { 0 };
	int opt, status = 0;
	optind = 2;     /* behind "profile lint" */
	while ((opt = word_option(c, options)) != -1) {
		if (opt == '?')
			return 2;
		if (opt == 'o' || opt == 'd' || opt == 'k')
			stg_json_put(asked, opt == 'o' ? "os" : opt == 'd' ? "device" : "key", optarg);
		else if (opt == 'e' || opt == 'h')
			stg_json_put_bool(asked, opt == 'e' ? "user_enrolment" : "shared_ipad", true);
		else
			stg_json_put_bool(asked, "supervised", opt == 's');
	}
	if (optind >= c->argc) {
		fprintf(stderr, "%s\n%s %s --help\n", _("stager profile lint: a file is missing"), _("See: stager"), "profile");
		return 2;
	}
	int given = c->argc - optind;
	for (int i = optind; i < c->argc; i++) {
		int one = lint_one(c, asked, c->argv[i], rows, &n);
		/* a station that does not answer will not answer for the next file either */
		if (one == 4 || one == 2)
			return one;
		status = one > status ? one : status;
	}
	table_print(c, rows, given > 1 ? findings_of_files : findings,
		    json_pack("{s:I,s:I,s:I}", "files", (json_int_t)n.files, "errors", (json_int_t)n.errors, "warnings", (json_int_t)n.warnings));
	if (given > 1 && !c->json && !c->quiet)
		printf(_("%lld of %lld files read: %lld errors, %lld warnings\n"), (long long)n.files, (long long)given, (long long)n.errors,
		       (long long)n.warnings);
	return status;
}

/* ---- the rules ---- */

static void say_rules(const struct stg_cmd_ctx *c, const json_t *rules, const char *what)
{
	if (c->json || c->quiet)
		return;
	printf(_("%s: iOS %s, %lld payload types, %lld keys\n"), what, stg_json_str(rules, "release"), (long long)stg_json_int(rules, "types", 0),
	       (long long)stg_json_int(rules, "keys", 0));
}

static int show(struct stg_cmd_ctx *c)
{
	STG_AUTO(stg_json_free_at) json_t *ret = NULL;
	int status = 0;
	if (!stg_cmd_call(c, "profile.schema.show", NULL, NULL, 0, &ret, &status))
		return status;
	if (c->json)
		document_print(c, ret);
	say_rules(c, json_object_get(ret, "shipped"), _("shipped"));
	if (json_object_get(ret, "imported"))
		say_rules(c, json_object_get(ret, "imported"), _("imported"));
	if (!c->json && !c->quiet)
		printf(_("in use: the %s rules\n"), strcmp(stg_json_str(ret, "in_use"), "imported") == 0 ? _("imported") : _("shipped"));
	return 0;
}

/* A folder is read here, with the rights of who typed it; the station gets the table alone and reads it again. */
static int import(struct stg_cmd_ctx *c, const char *dir)
{
	STG_AUTO(stg_buf_clear) struct stg_buf table = STG_BUF(1u << 20);
	STG_AUTO(stg_json_free_at) json_t *about = NULL, *ret = NULL;
	STG_AUTO(stg_close_at) int fd = -1;
	struct stg_error err = { 0 };
	int status = 0;
	if (!stg_profile_rules_import(dir, &table, &about, &err))
		return stg_cmd_tell(c, &err);
	fd = memfd_create("rules", MFD_CLOEXEC);
	if (fd < 0 || write(fd, table.data, table.len) != (ssize_t)table.len || lseek(fd, 0, SEEK_SET) != 0) {
		stg_fail(&err, STG_E_STATION, 0, "no memory to hand over the rules");
		return stg_cmd_tell(c, &err);
	}
	if (!stg_cmd_call(c, "profile.schema.import", NULL, &fd, 1, &ret, &status))
		return status;
	stg_json_put_int(ret, "files", stg_json_int(about, "files", 0));
	stg_json_put_int(ret, "forms_not_checked", stg_json_int(about, "forms_not_checked", 0));
	if (c->json)
		document_print(c, ret);
	say_rules(c, json_object_get(ret, "imported"), _("imported"));
	if (!c->json && !c->quiet && strcmp(stg_json_str(ret, "in_use"), "imported") != 0)
		printf("%s\n", _("They are no newer than the shipped ones, which stay in use."));
	return 0;
}

int schema_run(struct stg_cmd_ctx *c)
{
	const char *verb = c->argc > 2 ? c->argv[2] : "";
	if (strcmp(verb, "show") == 0 && c->argc == 3)
		return show(c);
	if (strcmp(verb, "import") == 0 && c->argc == 4)
		return import(c, c->argv[3]);
	fprintf(stderr, "%s\n%s %s --help\n", _("stager profile schema: expected show, or import and a folder"), _("See: stager"), "profile");
	return 2;
}
