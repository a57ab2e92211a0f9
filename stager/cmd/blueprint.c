/*
 * blueprint.c - ordered lists of steps: check them, read them in plain words.
 *
 * For:    people and scripts.
 * Uses:   ops/blueprint.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_details.h"
#include "_verbs.h"

static const struct column blueprints[] = {
	{ "name", N_("name"), COLUMN_TEXT }, { "where", N_("where"), COLUMN_WORD },
	{ "about", N_("about"), COLUMN_DETAIL },
	{ 0 },
};

/* Until the next call. */
static const char *in_words(const char *text)
{
	static char words[800];
	char safe[400];
	stg_printable(text, true, safe, sizeof(safe));
	detail_text(safe, words, sizeof(words));
	return words;
}

static void say_shown(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	const char *text = strcmp(stg_language(), "fr") == 0 ? "text_fr" : "text";
	size_t i;
	json_t *one;
	(void)c;
	if (stg_json_bool(in, "yaml", false)) {
		fputs(stg_json_str(ret, "yaml"), stdout);
		return;
	}
	printf("%s: %s\n", stg_json_str(ret, "name"), in_words(stg_json_str(ret, "about")));
	json_array_foreach(json_object_get(ret, "words"), i, one) {
		printf("%s %s\n", stg_json_bool(one, "destroys_data", false) ? "  !" : "  -", stg_json_str(one, text));
	}
}

static void say_checked(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	size_t i;
	json_t *one;
	(void)c;
	(void)in;
	long long steps = (long long)stg_json_int(ret, "steps", 0);
	printf(steps == 1 ? _("%s: right, %lld step%s") : _("%s: right, %lld steps%s"), stg_json_str(ret, "name"), steps,
	       stg_json_bool(ret, "erases", false) ? _(", ERASES") : "");
	putchar('\n');
	json_array_foreach(json_object_get(ret, "warnings"), i, one) {
		printf("  ! %s\n", in_words(json_string_value(one)));
	}
}

static void say_tried(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	size_t i;
	json_t *one;
	(void)c;
	(void)in;
	json_array_foreach(json_object_get(ret, "steps"), i, one) {
		printf("  %-8s %-34s %s\n", stg_json_str(one, "verdict"), stg_json_str(one, "key"), in_words(stg_json_str(one, "text")));
	}
	if (!json_object_get(ret, "problems"))
		return;
	json_array_foreach(json_object_get(ret, "problems"), i, one) {
		printf(_("line %lld, %s: %s: %s\n"), (long long)stg_json_int(one, "line", 0),
		       stg_json_str(one, "serial"), stg_json_str(one, "key"), in_words(stg_json_str(one, "text")));
	}
	printf(_("%lld lines, %zu problems\n"), (long long)stg_json_int(ret, "lines", 0),
	       json_array_size(json_object_get(ret, "problems")));
}

/* 3: something a person gave is not complete; 6: the device would be stopped. */
static int tried_status(const json_t *ret)
{
	size_t i;
	json_t *one;
	int status = json_array_size(json_object_get(ret, "problems")) ? 3 : 0;
	json_array_foreach(json_object_get(ret, "steps"), i, one) {
		const char *v = stg_json_str(one, "verdict");
		status = strcmp(v, "missing") == 0 ? 3 : strcmp(v, "stop") == 0 && !status ? 6 : status;
	}
	return status;
}

static void say_steps(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	size_t i, k;
	json_t *step, *p;
	(void)c;
	(void)in;
	json_array_foreach(json_object_get(ret, "steps"), i, step) {
		printf("%s - %s\n", stg_json_str(step, "step"), in_words(stg_json_str(step, "about")));
		json_array_foreach(json_object_get(step, "params"), k, p) {
			printf("    %-16s %s%s%s%s: %s\n", stg_json_str(p, "name"), stg_json_str(p, "kind"),
			       *stg_json_str(p, "values") ? " " : "", stg_json_str(p, "values"),
			       stg_json_bool(p, "required", false) ? " *" : "", in_words(stg_json_str(p, "about")));
		}
	}
}

static const struct verb by_name[] = {
	{ "", "blueprint.list", "", blueprints, NULL, NULL, NULL },
	{ "list", "blueprint.list", "", blueprints, NULL, NULL, NULL },
	{ "show", "blueprint.show", "name --yaml!", NULL, NULL, say_shown, NULL },
	{ "check", "blueprint.check", "name", NULL, NULL, say_checked, NULL },
	{ "dry-run", "blueprint.dry_run", "name --serial= --batch= --params:", NULL, NULL, say_tried, tried_status },
	{ "steps", "blueprint.steps", "", NULL, NULL, say_steps, NULL },
	{ 0 },
};
/* A file of the person travels as a descriptor: the station may run as somebody who cannot read it. */
static const struct verb by_file[] = {
	{ "show", "blueprint.show", "file< --yaml!", NULL, NULL, say_shown, NULL },
	{ "check", "blueprint.check", "file<", NULL, NULL, say_checked, NULL },
	{ "dry-run", "blueprint.dry_run", "file< --serial= --batch= --params:", NULL, NULL, say_tried, tried_status },
	{ 0 },
};

static bool names_a_file(const struct stg_cmd_ctx *c)
{
	for (int i = 2; i < c->argc; i++) {
		size_t len = strlen(c->argv[i]);
		if (c->argv[i][0] != '-' &&
		    (strchr(c->argv[i], '/') || (len > 5 && strcmp(c->argv[i] + len - 5, ".yaml") == 0)))
			return true;
	}
	return false;
}

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, names_a_file(c) ? by_file : by_name);
}

const struct stg_cmd stg_cmd_blueprint = {
	.name = "blueprint",
	.usage = N_("stager blueprint list\n"
		    "    those of the state, of /etc/stager/blueprints, and the built-in ones\n"
		    "stager blueprint show NAME|FILE [--yaml]\n"
		    "    in plain words; --yaml as it is written, to begin one of your own\n"
		    "stager blueprint check NAME|FILE\n"
		    "    finds mistakes, with file and line\n"
		    "stager blueprint dry-run NAME|FILE --serial SERIAL|--batch BATCH [--params KEY=VALUE]\n"
		    "    what would be done to a device, without touching it; which values a list lacks\n"
		    "stager blueprint steps\n"
		    "    every step and its parameters"),
	.about = N_("ordered lists of steps: check them, read them in plain words"),
	.run = run,
};
