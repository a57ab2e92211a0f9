/*
 * scep.c - certificates for keys that devices make themselves.
 *
 * For:    people, scripts, the unit stager-scep.
 * Uses:   ops/scep.c, scepget.c, scepproxy.c; _scepserve.c answers devices.
 * Called: main.c.
 * Thread: the command's.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stager/text.h>

#include "_scepserve.h"
#include "_verbs.h"
#include "_words.h"

#define COUNT_MAX 50

static const struct column challenges[] = {
	{ "device_serial", N_("device"), COLUMN_TEXT }, { "template", N_("template"), COLUMN_TEXT }, { "state", N_("state"), COLUMN_TEXT },
	{ "expires_ms", N_("until"), COLUMN_TIME },     { "serial_hex", N_("certificate"), COLUMN_TEXT }, { "actor", N_("by"), COLUMN_TEXT },
	{ 0 },
};

static const struct column certs[] = {
	{ "name", N_("name"), COLUMN_TEXT }, { "issuer", N_("issuer"), COLUMN_TEXT }, { "not_after_ms", N_("until"), COLUMN_TIME },
	{ "sha256", N_("fingerprint (SHA-256)"), COLUMN_TEXT },
	{ 0 },
};
static const struct column servers[] = {
	{ "name", N_("name"), COLUMN_TEXT },	{ "url", N_("address"), COLUMN_TEXT },	 { "open", N_("challenges"), COLUMN_TEXT },
	{ "lapsed", N_("lapsed"), COLUMN_TEXT }, { "given", N_("given"), COLUMN_TEXT }, { "next_expiry_ms", N_("first ends"), COLUMN_TIME },
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

static void say_got(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c;
	printf(_("%s holds the identity of %s. Its password, shown this once: %s\n"), stg_json_str(in, "file"), stg_json_str(in, "common_name"),
	       stg_json_str(ret, "password"));
}

static void say_crl(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)ret;
	printf(_("%s holds what that server's authority has revoked\n"), stg_json_str(in, "file"));
}

static void say_added(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("Server %s is kept. Read it and fetch challenges: stager scep proxy fill %s --count N\n"), stg_json_str(ret, "name"), stg_json_str(ret, "name"));
}

static const struct verb verbs[] = {
	{ "", "scep.show", "", NULL, NULL, say_show, NULL },
	{ "show", "scep.show", "", NULL, NULL, say_show, NULL },
	{ "set", "scep.set", "--listen= --url= --old_clients= --certs= --minutes# --org=", NULL, NULL, say_show, NULL },
	{ "challenge", "scep.challenge", "serial --template= --minutes# --vars:", NULL, NULL, say_challenge, NULL },
	{ "list", "scep.list", "--serial= --open!", challenges, NULL, NULL, NULL },
	{ "ca", "scep.look", "url --old_clients= --ca<", certs, "certs", NULL, NULL },
	{ "get", "scep.get", "url file> --*common_name= --organisation= --san, --fingerprint= --old_clients= --modern! --wait# --ca< ^challenge?", NULL, NULL, say_got,
	  NULL },
	{ "crl", "scep.crl", "url file> --fingerprint= --old_clients= --ca<", NULL, NULL, say_crl, NULL },
	{ "give", "scep.give", "name serial", NULL, NULL, say_challenge, NULL },
	{ 0 },
};
static const struct verb proxy_verbs[] = {
	{ "", "scep.proxy.list", "", servers, NULL, NULL, NULL },
	{ "list", "scep.proxy.list", "", servers, NULL, NULL, NULL },
	{ "add", "scep.proxy.add", "name --*url= --fingerprint= --page= --user= --minutes# --old_clients= ^password?", NULL, NULL, say_added, NULL },
	{ 0 },
};

/* What the server gave on one thread is written down on another: two operations. Challenges pass here sealed. */
static int proxy_fill(struct stg_cmd_ctx *c)
{
	enum { COUNT = 256 };
	static const struct option options[] = { { "count", required_argument, NULL, COUNT }, { 0 } };
	STG_AUTO(stg_json_free_at) json_t *in = json_object(), *found = NULL, *kept = NULL;
	int opt, status = 0;
	long count = 1;
	char *end = NULL;
	optind = 2;
	while ((opt = word_option(c, options)) != -1) {
		if (opt != COUNT)
			return 2;
		count = strtol(optarg, &end, 10);
		if (*end || count < 0 || count > COUNT_MAX) {
			fprintf(stderr, _("stager scep: --count takes a number from 0 to %d\n"), COUNT_MAX);
			return 2;
		}
	}
	if (optind >= c->argc) {
		fprintf(stderr, "stager scep proxy fill: %s\n", _("NAME is missing"));
		return 2;
	}
	stg_json_put(in, "name", c->argv[optind++]);
	stg_json_put_int(in, "count", count);
	if (!words_end(c))
		return 2;
	if (!stg_cmd_call(c, "scep.proxy.fetch", in, NULL, 0, &found, &status) ||
	    !stg_cmd_call(c, "scep.proxy.keep", found, NULL, 0, &kept, &status))
		return status;
	long long short_by = (long long)stg_json_int(found, "short_by", 0);
	if (c->json)
		printf("{\"kept\": %lld, \"name\": \"%s\", \"short_by\": %lld, \"v\": 1}\n", (long long)stg_json_int(kept, "kept", 0), stg_json_str(kept, "name"),
		       short_by);
	else if (!c->quiet)
		printf(_("%lld challenges of %s are kept, sealed.\n"), (long long)stg_json_int(kept, "kept", 0), stg_json_str(kept, "name"));
	if (short_by > 0) {
		unsigned int id = (unsigned int)stg_json_int(found, "code", 0);
		fprintf(stderr, _("stager: %lld fewer than asked for: %s %s (STG-%u)\n"), short_by, stg_id_sentence(id), stg_id_act(id), id);
	}
	return short_by > 0 ? 6 : 0;
}

static int proxy(struct stg_cmd_ctx *c)
{
	c->argc--;
	c->argv++;
	if (c->argc > 1 && strcmp(c->argv[1], "fill") == 0)
		return proxy_fill(c);
	return verbs_run(c, proxy_verbs);
}

static int run(struct stg_cmd_ctx *c)
{
	if (c->argc > 1 && strcmp(c->argv[1], "serve") == 0)
		return scep_serve(c);
	if (c->argc > 1 && strcmp(c->argv[1], "proxy") == 0)
		return proxy(c);
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
		    "    answers devices on the station's own network; needs a running station\n"
		    "stager scep ca URL [--ca FILE]\n"
		    "    what another server can and which certificates it shows, to compare fingerprints\n"
		    "stager scep get URL FILE.p12 --common-name NAME [--organisation O] [--san dns:N,uri:U] [--fingerprint HEX] [--old-clients sha1|des]\n"
		    "        [--wait SECONDS]\n"
		    "    an identity from that server; asks for its challenge; the file's password is shown once; --wait: asks again while it is pending\n"
		    "stager scep crl URL FILE [--fingerprint HEX] [--ca FILE]\n"
		    "    the list of what that server's authority has revoked\n"
		    "stager scep proxy add NAME --url URL [--fingerprint HEX] [--page URL] [--user NAME] [--minutes N] [--old-clients sha1|des]\n"
		    "    a server whose certificates devices get through this station; --page: where NDES shows its challenges\n"
		    "stager scep proxy list | fill NAME --count N\n"
		    "    fill: with a line, reads the server and fetches challenges; they live --minutes (57)\n"
		    "stager scep give NAME SERIAL\n"
		    "    one fetched challenge and an address of its own for this device"),
	.about = N_("certificates for keys that devices make themselves"),
	.run = run,
};
