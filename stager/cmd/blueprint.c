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

/* A line and where it was written, in two columns; a text that is longer than its column pushes the other one out. */
static void say_line(const char *sign, const char *text, const char *from)
{
	char shown[900];
	stg_printable(text, true, shown, sizeof(shown));
	size_t wide = stg_text_columns(shown);
	printf("  %s %s%*s  %s\n", sign, shown, wide < 64 ? (int)(64 - wide) : 0, "", strcmp(from, "given") == 0 ? _("given with the batch") : from);
}

static void say_why(const json_t *one)
{
	char why[400];
	stg_printable(stg_json_str(one, "why"), true, why, sizeof(why));
	if (why[0])
		printf("      %s\n", why);
}

static void say_part(const json_t *lines, const char *part, const char *title)
{
	bool french = strcmp(stg_language(), "fr") == 0, told = false;
	size_t i;
	json_t *one;
	json_array_foreach((json_t *)(uintptr_t)lines, i, one) {
		const char *verdict = stg_json_str(one, "verdict");
		char text[900];
		if (strcmp(stg_json_str(one, "part"), part) != 0)
			continue;
		if (!told)
			printf("%s\n", title);
		told = true;
		if (strcmp(part, "step") == 0)
			stg_copy(text, sizeof(text), stg_json_str(one, french ? "text_fr" : "text"));
		else
			snprintf(text, sizeof(text), "%s: %.800s", stg_json_str(one, "key"), stg_json_str(one, "value"));
		say_line(strcmp(verdict, "skip") == 0 ? "." : strcmp(verdict, "stop") == 0 || strcmp(verdict, "missing") == 0 ? "!" :
			 strcmp(verdict, "unknown") == 0 ? "?" : "-", text, stg_json_str(one, "from"));
		say_why(one);
	}
}

static void say_effective(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	const json_t *lines = json_object_get(ret, "lines");
	size_t i;
	json_t *one;
	(void)c;
	(void)in;
	printf("%s, %s%s%s%s\n", stg_json_str(ret, "name"), stg_json_str(ret, "serial"), *stg_json_str(ret, "batch") ? ", " : "", stg_json_str(ret, "batch"),
	       stg_json_bool(ret, "pinned", false) ? _(" (as it was pinned at the start)") : "");
	json_array_foreach(json_object_get(ret, "parents"), i, one) {
		printf(_("  extends %s (%.8s)\n"), stg_json_str(one, "name"), stg_json_str(one, "sha256"));
	}
	json_array_foreach(json_object_get(ret, "overrides"), i, one) {
		char until[32], reason[300];
		day_text(stg_json_int(one, "until_ms", 0), until);
		stg_printable(stg_json_str(one, "reason"), true, reason, sizeof(reason));
		printf(_("  override %lld until %s, by %s: %s\n"), (long long)stg_json_int(one, "id", 0), until, stg_json_str(one, "by"), reason);
	}
	say_part(lines, "organisation", _("Whose it becomes"));
	say_part(lines, "param", _("Values"));
	say_part(lines, "require", _("Must be so"));
	say_part(lines, "step", _("Steps"));
}

/* 3: a value is missing; 6: the device would be stopped. */
static int effective_status(const json_t *ret)
{
	size_t i;
	json_t *one;
	int status = 0;
	json_array_foreach(json_object_get(ret, "lines"), i, one) {
		const char *v = stg_json_str(one, "verdict");
		status = strcmp(v, "missing") == 0 ? 3 : strcmp(v, "stop") == 0 && !status ? 6 : status;
	}
	return status;
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

static const struct verb by_serial[] = {
	{ "show", "blueprint.effective", "name? --*for= --params:", NULL, NULL, say_effective, effective_status },
	{ 0 },
};
static const struct verb by_serial_file[] = {
	{ "show", "blueprint.effective", "file< --*for= --params:", NULL, NULL, say_effective, effective_status },
	{ 0 },
};

static bool is_for_a_device(const struct stg_cmd_ctx *c)
{
	bool found = false;
	for (int i = 2; i < c->argc; i++)
		found |= strcmp(c->argv[i], "--for") == 0 || strncmp(c->argv[i], "--for=", 6) == 0;
	return found && strcmp(c->argv[1], "show") == 0;
}

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
	if (is_for_a_device(c))
		return verbs_run(c, names_a_file(c) ? by_serial_file : by_serial);
	return verbs_run(c, names_a_file(c) ? by_file : by_name);
}

const struct stg_cmd stg_cmd_blueprint = {
	.name = "blueprint",
	.usage = N_("stager blueprint list\n"
		    "    those of the state, of /etc/stager/blueprints, and the built-in ones\n"
		    "stager blueprint show NAME|FILE [--yaml]\n"
		    "    in plain words; --yaml as it is written, to begin one of your own\n"
		    "stager blueprint show [NAME|FILE] --for SERIAL [--params KEY=VALUE]\n"
		    "    what holds for this device, parents included, and in which file and line each of it is written;\n"
		    "    without a name: the blueprint of its job or its batch, as pinned\n"
		    "stager blueprint check NAME|FILE\n"
		    "    finds mistakes, with file and line\n"
		    "stager blueprint dry-run NAME|FILE --serial SERIAL|--batch BATCH [--params KEY=VALUE]\n"
		    "    what would be done to a device, without touching it; which values a list lacks\n"
		    "stager blueprint steps\n"
		    "    every step and its parameters"),
	.about = N_("ordered lists of steps: check them, read them in plain words"),
	.run = run,
};
