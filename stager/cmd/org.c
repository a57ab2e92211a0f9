/*
 * org.c - the organisation: supervision identity and certificate authority.
 *
 * For:    people and scripts.
 * Uses:   ops/org.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/clock.h>
#include <stager/text.h>

#include "_verbs.h"

static const struct column orgs[] = {
	{ "name", N_("name"), COLUMN_TEXT },
	{ "supervisor.not_after_ms", N_("supervision identity until"), COLUMN_TIME },
	{ "backup_verified_ms", N_("backup verified"), COLUMN_TIME },
	{ 0 },
};

static void say_create(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("Organisation %s is ready. Losing its identity would mean erasing every device it supervises:\n"
		 "now make the backup and keep it somewhere else: stager org backup FILE\n"), stg_json_str(ret, "name"));
	/* an imported identity brings its own dates, and renewing it means erasing */
	int64_t end = stg_json_int(json_object_get(ret, "supervisor"), "not_after_ms", 0);
	char when[STG_TIME_TEXT];
	if (end && end < stg_wall_ms() + 365LL * 24 * 3600 * 1000) {
		stg_time_text(end, when);
		printf(_("Note: this supervision identity ends on %.10s.\n"), when);
	}
}

static void say_backup(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c;
	printf(_("%s: %lld bytes, read back and compared. Keep it and its passphrase away from this station.\n"), stg_json_str(in, "file"),
	       (long long)stg_json_int(ret, "bytes", 0));
}

static void say_restore(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("Organisation %s is back. Keep the backup: the key of its root stays there.\n"), stg_json_str(ret, "name"));
}

static void say_certificate(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c;
	if (strcmp(stg_json_str(in, "file"), "-") != 0)
		printf(_("%s: certificate of %s (%s).\n"), stg_json_str(in, "file"), stg_json_str(ret, "name"), stg_json_str(ret, "which"));
}

static void say_recovery(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("Unlock tokens of %s are sealed to the key %.16s from now on.\n"), stg_json_str(ret, "name"), stg_json_str(ret, "sha256"));
	if (*stg_json_str(ret, "replaced"))
		printf(_("Keep the key %.16s too: it opens what was sealed before.\n"), stg_json_str(ret, "replaced"));
}

static void say_recovery_made(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	say_recovery(c, in, ret);
	printf(_("Put %s into the safe, its passphrase elsewhere, and leave no copy on this station.\n"), stg_json_str(in, "file"));
}

static const struct verb verbs[] = {
	{ "", "org.list", "", orgs, NULL, NULL, NULL },
	{ "list", "org.list", "", orgs, NULL, NULL, NULL },
	{ "create", "org.create", "name --country= --domain= --email= --phone= --address= --department= --crl_url=", NULL, NULL, say_create, NULL },
	{ "import", "org.import", "name --*identity< --key< --country= --domain= ^password?", NULL, NULL, say_create, NULL },
	{ "show", "org.show", "name?", NULL, NULL, NULL, NULL },
	{ "backup", "org.backup", "file> --name= ^passphrase+", NULL, NULL, say_backup, NULL },
	{ "restore", "org.restore", "file< ^passphrase", NULL, NULL, say_restore, NULL },
	{ "recovery-key", "org.recovery_key", "file< --name= --second= ^second_pin", NULL, NULL, say_recovery, NULL },
	{ "recovery-make", "org.recovery_make", "file> --name= --second= ^second_pin ^passphrase+", NULL, NULL, say_recovery_made, NULL },
	{ "certificate", "org.certificate", "which file> --name=", NULL, NULL, say_certificate, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_org = {
	.name = "org",
	.usage = N_("stager org create NAME [--country CC] [--domain D] [--email E] [--phone P]\n"
		    "    a supervision identity and a certificate authority of its own\n"
		    "stager org import NAME --identity FILE [--key FILE]\n"
		    "    an identity you have already; asks for the file's password\n"
		    "stager org list | show [NAME]\n"
		    "stager org backup FILE [--name NAME]\n"
		    "    one encrypted file, read back and compared; asks for a passphrase, kept off the station\n"
		    "stager org restore FILE\n"
		    "    asks for the passphrase\n"
		    "stager org recovery-make FILE [--name NAME] [--second NAME]\n"
		    "    a key for unlock tokens: the file is for the safe, the station keeps its certificate only\n"
		    "stager org recovery-key CERTIFICATE [--name NAME] [--second NAME]\n"
		    "    the certificate of a key made elsewhere (a smart card). Replacing one takes a second person\n"
		    "stager org certificate root|issuing|chain|supervisor FILE\n"
		    "    for a RADIUS server or an MDM"),
	.about = N_("the organisation: supervision identity and certificate authority"),
	.run = run,
};
