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
	{ "device_serial", N_("device"), COLUMN_TEXT }, { "status", N_("status"), COLUMN_TEXT },
	{ "not_before_ms", N_("from"), COLUMN_TIME }, { "not_after_ms", N_("until"), COLUMN_TIME },
	{ 0 },
};

static const struct verb verbs[] = {
	{ "", "ca.list", "--device_serial= --status=", certs, NULL, NULL, NULL },
	{ "list", "ca.list", "--device_serial= --status=", certs, NULL, NULL, NULL },
	{ "issue", "ca.issue", "serial --days# --key= --common_name=", NULL, NULL, NULL, NULL },
	{ "revoke", "ca.revoke", "serial --reason=", NULL, NULL, NULL, NULL },
	{ "crl", "ca.crl", "", NULL, NULL, NULL, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_ca = {
	.name = "ca",
	.usage = "stager ca list [--serial S] [--status issued|installed|revoked|superseded]\n"
		 "stager ca issue SERIAL [--days N] [--key rsa-2048|p-256]\n"
		 "stager ca revoke SERIAL [--reason R]\n"
		 "stager ca crl",
	.about = N_("certificates the station has issued"),
	.run = run,
};
