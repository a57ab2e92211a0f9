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

static void say_handover(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c;
	printf(_("%s: %lld certificates that ended. Give it to whoever runs your RADIUS and VPN servers.\n"), stg_json_str(in, "file"),
	       (long long)stg_json_int(ret, "rows", 0));
}

static void say_authority(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("%s issues from now on as %s, below %s.\n"), stg_json_str(ret, "organisation"),
	       stg_json_str(json_object_get(ret, "issuing"), "cn"), stg_json_str(json_object_get(ret, "root"), "cn"));
	printf(_("Make the backup again: stager org backup FILE. Give your servers the new root: stager org certificate root FILE\n"));
}

static void say_request(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)ret;
	printf(_("%s is to be signed by your root: a CA certificate, pathlen 0. Bring it back: stager ca accept FILE\n"), stg_json_str(in, "file"));
}

static const struct column template_columns[] = {
	{ "name", N_("name"), COLUMN_TEXT }, { "cn", N_("subject"), COLUMN_TEXT }, { "purpose", N_("purpose"), COLUMN_TEXT },
	{ "key", N_("key"), COLUMN_TEXT }, { "days", N_("days"), COLUMN_TEXT }, { 0 },
};

static const struct verb verbs[] = {
	{ "", "ca.list", "--serial= --status= --expires_in#", certs, NULL, NULL, NULL },
	{ "list", "ca.list", "--serial= --status= --expires_in#", certs, NULL, NULL, NULL },
	{ "find", "ca.find", "words", certs, NULL, NULL, NULL },
	{ "show", "ca.show", "certificate? --org=", NULL, NULL, NULL, NULL },
	{ "issue", "ca.issue", "serial file> --template= --set: --days# --key= --common_name= --san, --modern! --chain! --org=", NULL, NULL, say_issued, NULL },
	{ "revoke", "ca.revoke", "serial --reason=", NULL, NULL, NULL, NULL },
	{ "crl", "ca.crl", "file> --org= --issuer=", NULL, NULL, say_list, NULL },
	{ "handover", "ca.handover", "file> --all!", NULL, NULL, say_handover, NULL },
	{ "template list", "ca.templates", "", template_columns, NULL, NULL, NULL },
	{ "template show", "ca.template_show", "name", NULL, NULL, NULL, NULL },
	{ "template set", "ca.template_set", "name --*cn= --san, --purpose= --key= --days# --department= --serial_number= --about= --modern!", NULL, NULL, NULL, NULL },
	{ "template remove", "ca.template_remove", "name", NULL, NULL, NULL, NULL },
	{ "root create", "ca.root_create", "--org= --key= --years# --issuing_key= --pkcs11= ^token_pin?", NULL, NULL, say_authority, NULL },
	{ "root import", "ca.root_import", "root< root_key< --org= --issuing_key= --pkcs11= ^key_passphrase? ^token_pin?", NULL, NULL, say_authority, NULL },
	{ "request", "ca.request", "file> --org= --issuing_key= --pkcs11= ^token_pin?", NULL, NULL, say_request, NULL },
	{ "accept", "ca.accept", "file< --root< --org=", NULL, NULL, say_authority, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_ca = {
	.name = "ca",
	.usage = N_("stager ca [list] [--serial S] [--status issued|installed|revoked|superseded] [--expires-in DAYS]\n"
		    "    the certificates of devices\n"
		    "stager ca find TEXT\n"
		    "    words of a name, a serial number, a fingerprint\n"
		    "stager ca show [CERTIFICATE] [--org NAME]\n"
		    "    one certificate; without it the authority itself: who signs, where its keys are, what it issued\n"
		    "stager ca issue SERIAL FILE.p12 [--template NAME] [--set NAME=VALUE] [--days N] [--key rsa-2048|p-256] [--san NAME,...] [--modern] [--chain] [--org NAME]\n"
		    "    one certificate with its key into a file; the password is shown once; --chain: with the issuing certificate\n"
		    "stager ca template list|show NAME|remove NAME\n"
		    "stager ca template set NAME --cn TEXT [--san dns:..,uri:..,upn:..,email:..] [--purpose client|email] [--key KIND] [--days N]\n"
		    "    what a kind of certificate looks like; texts may hold {{serial}}, {{org.domain}} and values of --set\n"
		    "stager ca revoke SERIAL|CERTIFICATE [--reason key_compromise|superseded|cessation|...]\n"
		    "stager ca crl FILE [--org NAME] [--issuer ID]\n"
		    "    the signed list of what was revoked, for RADIUS servers\n"
		    "stager ca handover FILE.csv [--all]\n"
		    "    what was revoked since the last hand-over, as a table\n"
		    "stager ca root create [--key p-384|rsa-4096] [--years N] [--issuing-key KIND] [--pkcs11 URI] [--org NAME]\n"
		    "stager ca root import ROOT.pem KEY.pem [--issuing-key KIND] [--pkcs11 URI] [--org NAME]\n"
		    "    another root with an issuing authority below it; an imported key signs once and is not kept\n"
		    "stager ca request FILE.csr [--issuing-key KIND] [--pkcs11 URI] [--org NAME]\n"
		    "stager ca accept CERTIFICATE [--root ROOT.pem] [--org NAME]\n"
		    "    below a root that stays offline: a request goes out, its certificate comes back.\n"
		    "    --pkcs11 pkcs11:token=NAME;object=NAME: the issuing key stays in a token; its PIN is asked for"),
	.about = N_("certificates the station has issued, and its authority"),
	.run = run,
};
