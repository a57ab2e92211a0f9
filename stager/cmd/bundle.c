/*
 * bundle.c - results out and blueprints in by stick.
 *
 * For:    people and scripts.
 * Uses:   ops/bundle.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stager/text.h>

#include "_io.h"
#include "_verbs.h"

static const struct column machines[] = {
	{ "name", N_("name"), COLUMN_TEXT }, { "role", N_("role"), COLUMN_WORD }, { "mark", N_("hash"), COLUMN_TEXT },
	{ "written", N_("written"), COLUMN_TEXT }, { "read", N_("read"), COLUMN_TEXT }, { "read_ms", N_("last read"), COLUMN_TIME },
	{ 0 },
};

static void say_card(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	fputs(stg_json_str(ret, "card"), stdout);
	fprintf(stderr, _("Give this card to the other machine, and compare there: %.16s\n"), stg_json_str(ret, "sha256"));
}

static void say_trusted(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("%s is trusted now. Compare with its card before you go on: %.16s\n"), stg_json_str(ret, "name"), stg_json_str(ret, "sha256"));
}

static void say_distrusted(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("%s is not trusted any more; what it brought stays.\n"), stg_json_str(ret, "name"));
}

static void say_restart(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("The next bundle for %s begins a new row.\n"), stg_json_str(ret, "to"));
}

static void say_missing(const json_t *ret)
{
	const json_t *missing = json_object_get(ret, "missing");
	size_t i;
	json_t *one;
	if (!json_array_size(missing))
		return;
	printf(_("Missing before it:"));
	json_array_foreach((json_t *)(uintptr_t)missing, i, one)
		printf(" %lld", (long long)json_integer_value(one));
	printf("\n%s %s\n", stg_id_sentence(STG_ID_BUNDLE_MISSING), stg_id_act(STG_ID_BUNDLE_MISSING));
}

static void say_what(const json_t *ret)
{
	char day[32];
	day_text(stg_json_int(ret, "created_ms", 0), day);
	printf(_("Bundle %lld of %s (%s), written %s\n"), (long long)stg_json_int(ret, "seq", 0), stg_json_str(ret, "from"), stg_json_str(ret, "station"), day);
	printf(_("results %lld, deliveries %lld, receipts %lld, files %lld\n"), (long long)stg_json_int(ret, "records", 0), (long long)stg_json_int(ret, "deliveries", 0),
	       (long long)stg_json_int(ret, "receipts", 0), (long long)stg_json_int(ret, "files", 0));
}

static void say_inspect(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	size_t i;
	json_t *one;
	say_what(ret);
	json_array_foreach(json_object_get(ret, "members"), i, one)
		printf("  %10lld  %s\n", (long long)stg_json_int(one, "size", 0), stg_json_str(one, "name"));
	if (stg_json_bool(ret, "again", false))
		puts(_("It was imported before."));
	say_missing(ret);
}

static void say_import(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	size_t i;
	json_t *one;
	say_what(ret);
	if (stg_json_bool(ret, "again", false))
		puts(_("It was imported before; nothing is done twice."));
	printf(_("New here: %lld; deliveries closed by receipts: %lld.\n"), (long long)stg_json_int(ret, "new", 0), (long long)stg_json_int(ret, "closed", 0));
	json_array_foreach(json_object_get(ret, "taken"), i, one)
		printf("  %s %s\n", stg_json_str(one, "kind"), stg_json_str(one, "name"));
	if (*stg_json_str(ret, "evidence"))
		printf(_("What every step found is kept in the state, for an auditor: %s\n"), stg_json_str(ret, "evidence"));
	json_array_foreach(json_object_get(ret, "twice"), i, one)
		printf(_("Staged on two stations: %s\n"), json_string_value(one));
	say_missing(ret);
}

static const struct verb verbs[] = {
	{ "card", "bundle.card", "", NULL, NULL, say_card, NULL },
	{ "trust", "bundle.trust", "name card< --*role=", NULL, NULL, say_trusted, NULL },
	{ "distrust", "bundle.distrust", "name", NULL, NULL, say_distrusted, NULL },
	{ "peers", "bundle.peers", "", machines, NULL, NULL, NULL },
	{ "inspect", "bundle.inspect", "file<", NULL, NULL, say_inspect, NULL },
	{ "import", "bundle.import", "file< --target=", NULL, NULL, say_import, NULL },
	{ "restart", "bundle.restart", "--to=", NULL, NULL, say_restart, NULL },
	/* never typed: what run() does itself, for the words that are guessed and completed */
	{ "export", "bundle.export", "folder --to= --target= --evidence! --blueprint, --profile, --app, --connector, --rules,", NULL, NULL, NULL, NULL },
	{ "push", "bundle.import", "file< --target=", NULL, NULL, NULL, NULL },
	{ 0 },
};

/* ---- export ---- */

static bool usage(const char *word)
{
	fprintf(stderr, _("stager bundle export: '%s' is not understood\n%s stager bundle --help\n"), word, _("See:"));
	return false;
}

static bool read_export(const struct stg_cmd_ctx *c, json_t *in, const char **ret_folder)
{
	static const char *const texts[] = { "to", "target" }, *const lists[] = { "blueprint", "profile", "app", "connector", "rules" };
	for (int i = 2; i < c->argc; i++) {
		const char *word = c->argv[i];
		bool done = strcmp(word, "--evidence") == 0;
		if (done)
			stg_json_put_bool(in, "evidence", true);
		for (size_t k = 0; !done && k < STG_ARRAY_LEN(texts); k++)
			if (strncmp(word, "--", 2) == 0 && strcmp(word + 2, texts[k]) == 0 && i + 1 < c->argc) {
				stg_json_put(in, texts[k], c->argv[++i]);
				done = true;
			}
		for (size_t k = 0; !done && k < STG_ARRAY_LEN(lists); k++)
			if (strncmp(word, "--", 2) == 0 && strcmp(word + 2, lists[k]) == 0 && i + 1 < c->argc) {
				json_t *list = json_object_get(in, lists[k]);
				if (!list)
					json_object_set_new(in, lists[k], list = json_array());
				json_array_append_new(list, json_string(c->argv[++i]));
				done = true;
			}
		if (!done && (strncmp(word, "--", 2) == 0 || *ret_folder))
			return usage(word);
		if (!done)
			*ret_folder = word;
	}
	if (!*ret_folder)
		fprintf(stderr, _("stager bundle export: the folder is missing, such as /media/stick\n"));
	return *ret_folder != NULL;
}

static int stick(const struct stg_cmd_ctx *c, int why, const char *path)
{
	struct stg_error err = { 0 };
	stg_fail_id(&err, STG_E_INPUT, why == ENOSPC || why == EDQUOT || why == EFBIG ? STG_ID_STICK_FULL : STG_ID_STICK_UNWRITABLE, why, "%.160s: %s", path, strerror(why));
	return stg_cmd_tell(c, &err);
}

/* Under its name only when all of it is on the stick; the folder's entry too. */
static int keep_file(const char *folder, const char *beside, const char *name, char *path, size_t size)
{
	if (snprintf(path, size, "%s/%s", folder, name) >= (int)size)
		return ENAMETOOLONG;
	STG_AUTO(stg_close_at) int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || renameat2(AT_FDCWD, beside, AT_FDCWD, path, 0) != 0)
		return errno;
	return fsync(dir) == 0 || errno == EINVAL ? 0 : errno;
}

static int export(struct stg_cmd_ctx *c)
{
	STG_AUTO(stg_json_free_at) json_t *in = json_object();
	const char *folder = NULL;
	char beside[4096], path[4096];
	struct stat st;
	int status = 0;
	if (!read_export(c, in, &folder))
		return 2;
	if (stat(folder, &st) != 0)
		return stick(c, errno, folder);
	if (!S_ISDIR(st.st_mode))
		return stick(c, ENOTDIR, folder);
	if (snprintf(beside, sizeof(beside), "%s/stager-XXXXXX", folder) >= (int)sizeof(beside))
		return stick(c, ENAMETOOLONG, folder);
	STG_AUTO(stg_close_at) int fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0)
		return stick(c, errno, folder);
	STG_AUTO(stg_json_free_at) json_t *ret = NULL;
	stg_json_put_new(in, "files", json_pack("[s]", "file"));
	if (!stg_cmd_call(c, "bundle.export", in, &fd, 1, &ret, &status)) {
		(void)unlink(beside);
		return status;
	}
	int why = keep_file(folder, beside, stg_json_str(ret, "name"), path, sizeof(path));
	if (why) {
		json_t *nothing = NULL;
		(void)unlink(beside);
		(void)unlink(path);
		(void)stg_cmd_call(c, "bundle.undo", ret, NULL, 0, &nothing, &status);
		json_decref(nothing);
		return stick(c, why, folder);
	}
	stg_json_put(ret, "path", path);
	if (c->json) {
		json_line(ret);
	} else if (!c->quiet) {
		printf(_("%s is complete: results %lld, deliveries %lld (%lld once more), receipts %lld, files %lld.\n"), path, (long long)stg_json_int(ret, "records", 0),
		       (long long)stg_json_int(ret, "deliveries", 0), (long long)stg_json_int(ret, "again", 0), (long long)stg_json_int(ret, "receipts", 0),
		       (long long)stg_json_int(ret, "files", 0));
		if (stg_json_bool(ret, "more", false))
			puts(_("There is more: export again."));
	}
	return 0;
}

extern const struct stg_cmd stg_cmd_push;

/* Imported, then told to the targets at once. */
static int push(struct stg_cmd_ctx *c)
{
	char word[] = "import", name[] = "push", *only[] = { name, NULL };
	struct stg_cmd_ctx import = *c, pushing = *c;
	char **argv = stg_calloc((size_t)c->argc + 1, sizeof(*argv));
	memcpy(argv, c->argv, (size_t)c->argc * sizeof(*argv));
	argv[1] = word;
	import.argv = argv;
	int status = verbs_run(&import, verbs);
	c->caller = import.caller;
	free(argv);
	if (status)
		return status;
	pushing.caller = c->caller;
	pushing.argc = 1;
	pushing.argv = only;
	status = stg_cmd_push.run(&pushing);
	c->caller = pushing.caller;
	return status;
}

static int run(struct stg_cmd_ctx *c)
{
	const char *verb = c->argc > 1 ? c->argv[1] : "";
	return strcmp(verb, "export") == 0 ? export(c) : strcmp(verb, "push") == 0 ? push(c) : verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_bundle = {
	.name = "bundle",
	.usage = N_("stager bundle card > CARD.pem\n"
		    "    this machine's card: what others need to read from it and write to it\n"
		    "stager bundle trust NAME CARD.pem --role office|station\n"
		    "    an office takes results and sends receipts, blueprints, profiles, apps, connectors and newer payload rules; a station sends results\n"
		    "stager bundle peers | distrust NAME\n"
		    "stager bundle export FOLDER [--to NAME] [--target T] [--evidence]\n"
		    "    all results without a receipt, signed and encrypted, as one file on the stick\n"
		    "stager bundle export FOLDER --to STATION [--profile NAME] [--app ID] [--blueprint NAME] [--connector NAME] [--rules ios]\n"
		    "    receipts for that station, and files it is to use\n"
		    "stager bundle inspect FILE\n"
		    "    who wrote it, what is in it, what is missing before it; nothing is changed\n"
		    "stager bundle import FILE [--target T]\n"
		    "    results go to the targets they are for, or all to T; receipts close deliveries\n"
		    "stager bundle push FILE [--target T]\n"
		    "    import, then send at once; exit status 6: something still waits\n"
		    "stager bundle restart [--to NAME]\n"
		    "    after this station was restored from a backup: begin a new row of numbers"),
	.about = N_("results out and blueprints in by stick"),
	.run = run,
};
