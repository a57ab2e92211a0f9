/*
 * scep.c - certificates for keys that devices make themselves.
 *
 * For:    people, scripts, the unit stager-scep.
 * Uses:   ops/scep.c; _scepserve.c answers devices.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_scepserve.h"
#include "_verbs.h"

static const struct column challenges[] = {
	{ "device_serial", N_("device"), COLUMN_TEXT }, { "template", N_("template"), COLUMN_TEXT }, { "state", N_("state"), COLUMN_TEXT },
	{ "expires_ms", N_("until"), COLUMN_TIME },     { "serial_hex", N_("certificate"), COLUMN_TEXT }, { "actor", N_("by"), COLUMN_TEXT },
	{ 0 },
};

static void say_show(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	if (!*stg_json_str(ret, "listen"))
		printf("%s\n", _("No address is set: devices cannot ask yet. stager scep set --listen ADDRESS:PORT"));
	else
		printf(_("Listens on %s; devices ask at %s\n"), stg_json_str(ret, "listen"), stg_json_str(ret, "url"));
	printf(_("Old clients: %s. A challenge lives %lld minutes; %lld are open.\n"), stg_json_str(ret, "old_clients"),
	       (long long)stg_json_int(ret, "minutes", 0), (long long)stg_json_int(ret, "challenges", 0));
}

static void say_challenge(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("For %s, once, shown this once: %s\n"), stg_json_str(ret, "serial"), stg_json_str(ret, "challenge"));
	printf(_("URL: %s  CA fingerprint (SHA-1): %s\n"), stg_json_str(ret, "url"), stg_json_str(ret, "fingerprint"));
}

static const struct verb verbs[] = {
	{ "", "scep.show", "", NULL, NULL, say_show, NULL },
	{ "show", "scep.show", "", NULL, NULL, say_show, NULL },
	{ "set", "scep.set", "--listen= --url= --old_clients= --certs= --minutes# --org=", NULL, NULL, say_show, NULL },
	{ "challenge", "scep.challenge", "serial --template= --minutes# --vars:", NULL, NULL, say_challenge, NULL },
	{ "list", "scep.list", "--serial= --open!", challenges, NULL, NULL, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	if (c->argc > 1 && strcmp(c->argv[1], "serve") == 0)
		return scep_serve(c);
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_scep = {
	.name = "scep",
	.usage = N_("stager scep show | set [--listen ADDRESS:PORT|off] [--url URL] [--old-clients none|sha1|des] [--certs all|ra]\n"
		    "        [--minutes N] [--org NAME]\n"
		    "    --old-clients: also take SHA-1 and 3DES, or even single DES, from clients that know nothing better\n"
		    "    --certs ra: show the registration authority alone, for clients that encrypt to every certificate they see\n"
		    "stager scep challenge SERIAL [--template NAME] [--minutes N] [--vars NAME=VALUE]\n"
		    "    a word with which this device, and no other, may ask once for a certificate\n"
		    "stager scep list [--serial S] [--open]\n"
		    "    the challenges given out and what became of them\n"
		    "stager scep serve [--listen ADDRESS:PORT]\n"
		    "    answers devices on the station's own network; needs a running station"),
	.about = N_("certificates for keys that devices make themselves"),
	.run = run,
};
