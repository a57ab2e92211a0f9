/*
 * ca.c - certificates the station has issued.
 *
 * For:    people and scripts.
 * Uses:   ops/ca.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_verbs.h"

static const struct column certs[] = {
	{ "serial_hex", N_("certificate"), COLUMN_TEXT }, { "subject", N_("subject"), COLUMN_TEXT },
	{ "device_serial", N_("device"), COLUMN_TEXT }, { "status", N_("status"), COLUMN_WORD },
	{ "not_before_ms", N_("from"), COLUMN_TIME }, { "not_after_ms", N_("until"), COLUMN_TIME },
	{ 0 },
};

static void say_issued(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c;
	printf(_("%s holds the identity of %s. Its password, shown this once: %s\n"), stg_json_str(in, "file"), stg_json_str(in, "serial"),
	       stg_json_str(ret, "password"));
}

static void say_list(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c;
	printf(_("%s: revocation list number %lld, %lld entries. Publish it where your servers look for it.\n"), stg_json_str(in, "file"),
	       (long long)stg_json_int(ret, "number", 0), (long long)stg_json_int(ret, "entries", 0));
}

static const struct verb verbs[] = {
	{ "", "ca.list", "--serial= --status=", certs, NULL, NULL, NULL },
	{ "list", "ca.list", "--serial= --status=", certs, NULL, NULL, NULL },
	{ "issue", "ca.issue", "serial file> --days# --key= --common_name= --modern! --org=", NULL, NULL, say_issued, NULL },
	{ "revoke", "ca.revoke", "serial --reason=", NULL, NULL, NULL, NULL },
	{ "crl", "ca.crl", "file> --org=", NULL, NULL, say_list, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_ca = {
	.name = "ca",
	.usage = N_("stager ca list [--serial S] [--status issued|installed|revoked|superseded]\n"
		    "    the certificates of devices\n"
		    "stager ca issue SERIAL FILE.p12 [--days N] [--key rsa-2048|p-256] [--modern] [--org NAME]\n"
		    "    one certificate with its key into a file; the password is shown once\n"
		    "stager ca revoke SERIAL|CERTIFICATE [--reason key_compromise|superseded|cessation|...]\n"
		    "stager ca crl FILE [--org NAME]\n"
		    "    the signed list of what was revoked, for RADIUS servers"),
	.about = N_("certificates the station has issued"),
	.run = run,
};
