/*
 * port.c - the sockets of the bench: names, and which may be used.
 *
 * For:    people and scripts.
 * Uses:   ops/port.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_busline.h"
#include "_learn.h"
#include "_verbs.h"
#include "_words.h"

static const struct column ports[] = {
	{ "port", N_("port"), COLUMN_TEXT }, { "label", N_("label"), COLUMN_TEXT },
	{ "allowed", N_("allowed"), COLUMN_TEXT }, { "device", N_("plugged in"), COLUMN_TEXT },
	{ 0 },
};

/* The ports, then what else fits where, then what would help. */
static int list(struct stg_cmd_ctx *c)
{
	STG_AUTO(stg_json_free_at) json_t *ret = NULL;
	char text[1000];
	int status = 0;
	optind = c->argc > 1 ? 2 : 1;
	if (!words_end(c))
		return 2;
	if (!stg_cmd_call(c, "port.list", NULL, NULL, 0, &ret, &status))
		return status;
	const json_t *bus = json_object_get(ret, "bus");
	table_print(c, json_object_get(ret, "ports"), ports, json_pack("{s:O}", "bus", bus));
	bus_room(bus, text, sizeof(text));
	if (c->json || c->quiet)
		return 0;
	if (text[0])
		printf("\n%s\n", text);
	for (size_t i = 0; bus_fix(bus, i, text, sizeof(text)); i++)
		puts(text);
	return 0;
}

static void say(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	size_t n = json_array_size(json_object_get(ret, "ports"));
	if (n == 1 && strcmp(json_string_value(json_array_get(json_object_get(ret, "ports"), 0)), "*") == 0)
		puts(stg_json_bool(ret, "allowed", false) ? _("Every port may be used.") : _("No port may be used unless it is named."));
	else
		printf(stg_json_bool(ret, "allowed", false) ? _("%zu ports may be used.\n") : _("%zu ports are left alone.\n"), n);
}

static void say_label(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	const char *label = stg_json_str(ret, "label");
	(void)c, (void)in;
	if (*label)
		printf(_("Port %s is called %s.\n"), stg_json_str(ret, "port"), label);
	else
		printf(_("Port %s has no label any more.\n"), stg_json_str(ret, "port"));
}

static const struct verb verbs[] = {
	{ "list", "port.list", "", ports, "ports", NULL, NULL },
	{ "learn", "port.learn", "port label", NULL, NULL, say_label, NULL },
	{ "label", "port.label", "port label?", NULL, NULL, say_label, NULL },
	{ "allow", "port.allow", "ports...", NULL, NULL, say, NULL },
	{ "deny", "port.deny", "ports...", NULL, NULL, say, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	const char *verb = c->argc > 1 ? c->argv[1] : "list";
	if (strcmp(verb, "list") == 0)
		return list(c);
	return strcmp(verb, "learn") == 0 ? port_learn(c) : verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_port = {
	.name = "port",
	.usage = N_("stager port list\n"
		    "    names, what is plugged in, how much more fits on each hub and what would help\n"
		    "stager port learn [LABEL...] [--wait SECONDS]\n"
		    "    walk one phone over the ports: each gets the next LABEL (A1-A16: sixteen), or one is asked for\n"
		    "stager port label PORT LABEL\n"
		    "    the name people see, also of a hub; without LABEL it is taken away\n"
		    "stager port allow PORT...\n"
		    "    PORT: a path (2-1.4), a pattern (2-1.*), a label, a range (A1-A8), all\n"
		    "stager port deny PORT...\n"
		    "    devices there are listed and left alone"),
	.about = N_("the sockets of the bench: names, and which may be used"),
	.run = run,
};
