/*
 * profile.c - configuration profiles: check, read, build, sign and fetch them.
 *
 * For:    people and scripts.
 * Uses:   ops/profile.c, ops/mkprofile.c, ops/fetch.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_fetch.h"
#include "_lint.h"
#include "_rogue.h"
#include "_show.h"
#include "_verbs.h"

static const struct column profiles[] = {
	{ "name", N_("name"), COLUMN_TEXT }, { "where", N_("where"), COLUMN_WORD },
	{ 0 },
};

static const struct column wants[] = {
	{ "name", N_("value"), COLUMN_TEXT }, { "kind", N_("kind"), COLUMN_DETAIL },   { "otherwise", N_("otherwise"), COLUMN_TEXT },
	{ "device", N_("known"), COLUMN_WORD }, { "part", N_("part"), COLUMN_TEXT }, { "where", N_("where"), COLUMN_DETAIL },
	{ 0 },
};

/* What was built goes where nothing else was said: to standard output, and the rest is said beside it. */
static void say_built(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	STG_AUTO(stg_buf_clear) struct stg_buf bytes = STG_BUF(8u << 20);
	const json_t *open = json_object_get(ret, "open");
	bool kept = *stg_json_str(ret, "kept"), to_stdout = !kept && !*stg_json_str(in, "out");
	FILE *say = to_stdout ? stderr : stdout;
	(void)c;
	if (to_stdout && stg_unbase64(stg_json_str(ret, "profile"), &bytes, NULL))
		fwrite(bytes.data, 1, bytes.len, stdout);
	if (!stg_json_bool(ret, "changed", true))
		fprintf(say, _("%s is as it was: version %lld\n"), stg_json_str(ret, "identifier"), (long long)stg_json_int(ret, "version", 1));
	else
		fprintf(say, _("%s, version %lld; payloads: %zu\n"), stg_json_str(ret, "identifier"), (long long)stg_json_int(ret, "version", 1),
			json_array_size(json_object_get(ret, "payloads")));
	for (size_t i = 0; i < json_array_size(open); i++)
		fprintf(say, "%s%s", i ? ", " : _("filled in for each device: "), json_string_value(json_array_get(open, i)));
	if (json_array_size(open))
		fputc('\n', say);
	for (size_t i = 0; i < json_array_size(json_object_get(ret, "findings")); i++) {
		const json_t *f = json_array_get(json_object_get(ret, "findings"), i);
		if (strcmp(stg_json_str(f, "level"), "warning") == 0)
			fprintf(say, "  %s: %s\n", stg_json_str(f, "path"), stg_json_str(f, "text"));
	}
}

static void say_signed(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("%s is signed by %s\n"), stg_json_str(ret, "out"), stg_json_str(ret, "signed_by"));
}

static void say_verified(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	const json_t *s = json_object_get(ret, "signer");
	(void)c, (void)in;
	printf(_("%s is signed by %s, of %s, who is trusted here\n"), stg_json_str(ret, "file"), stg_json_str(s, "name"), stg_json_str(s, "issuer"));
}

static void say_encrypted(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c;
	if (*stg_json_str(ret, "certificate"))
		printf(_("%s can be read by %s alone, with certificate %s\n"), stg_json_str(ret, "out"), stg_json_str(in, "serial"), stg_json_str(ret, "certificate"));
	else
		printf(_("%s can be read by the holder of %s alone\n"), stg_json_str(ret, "out"), stg_json_str(in, "to"));
}

static void say_forbidden(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("%s is no longer on the allow-list.\n"), stg_json_str(ret, "value"));
}

static const struct column fetched[] = {
	{ "name", N_("name"), COLUMN_TEXT }, { "mdm", N_("MDM"), COLUMN_TEXT }, { "host", N_("from"), COLUMN_TEXT }, { "obtained_ms", N_("fetched"), COLUMN_TIME },
	{ "not_after_ms", N_("until"), COLUMN_TIME }, { "state", N_("state"), COLUMN_WORD }, { "due", N_("due"), COLUMN_WORD },
	{ 0 },
};

static void say_forgotten(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("%s is forgotten, its file is gone\n"), stg_json_str(ret, "name"));
}

static const struct verb verbs[] = {
	/* how these are read: _lint.c, _show.c, _rogue.c, _fetch.c; here for the list of words */
	{ "lint", "profile.lint", "", NULL, NULL, NULL, NULL },
	{ "show", "profile.show", "", NULL, NULL, NULL, NULL },
	{ "list", "profile.list", "", profiles, NULL, NULL, NULL },
	{ "build", "profile.build",
	  "name parts...? --set: --serial= --out> --keep! --update< --identifier= --title= --sign! --org=", NULL, NULL, say_built, NULL },
	{ "wants", "profile.wants", "parts...", wants, NULL, NULL, NULL },
	{ "sign", "profile.sign", "file< out> --org=", NULL, NULL, say_signed, NULL },
	{ "verify", "profile.verify", "file< --ca<", NULL, NULL, say_verified, NULL },
	{ "encrypt", "profile.encrypt", "file< out> --serial= --to< --sign! --org=", NULL, NULL, say_encrypted, NULL },
	{ "rogue", "profile.rogue", "", NULL, NULL, NULL, NULL },
	{ "allow", "profile.allow", "", NULL, NULL, NULL, NULL },
	{ "forbid", "profile.allow.remove", "kind value", NULL, NULL, say_forbidden, NULL },
	{ "fetch", "profile.fetch", "", NULL, NULL, NULL, NULL },
	{ "fetched", "profile.fetched", "", fetched, NULL, NULL, NULL },
	{ "forget", "profile.forget", "name", NULL, NULL, say_forgotten, NULL },
	{ "schema", "profile.schema.show", "", NULL, NULL, NULL, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	if (c->argc > 1 && strcmp(c->argv[1], "lint") == 0)
		return lint_run(c);
	if (c->argc > 1 && strcmp(c->argv[1], "show") == 0)
		return show_run(c);
	if (c->argc > 1 && strcmp(c->argv[1], "rogue") == 0)
		return rogue_run(c);
	if (c->argc > 1 && strcmp(c->argv[1], "allow") == 0)
		return allow_run(c);
	if (c->argc > 1 && strcmp(c->argv[1], "schema") == 0)
		return schema_run(c);
	if (c->argc > 1 && strcmp(c->argv[1], "fetch") == 0)
		return fetch_run(c);
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_profile = {
	.name = "profile",
	.usage = N_("stager profile lint FILE... [--os 17.4] [--supervised|--unsupervised] [--device SERIAL] [--key FILE]\n"
		    "        [--user-enrolment] [--shared-ipad]\n"
		    "    mistakes, with the place of each; for this release, for a device of the inventory, for a device its user enrols,\n"
		    "    for an iPad several people share;\n"
		    "    an encrypted one is opened with --key; signers are held against the organisations and /etc/stager/signers/*.pem\n"
		    "stager profile show FILE|NAME [--diff OLD] [--device SERIAL]\n"
		    "    what it would do to a device, in plain words; --diff: what has changed since OLD; --device: whether it is on that device\n"
		    "stager profile list\n"
		    "    those of the state, of /etc/stager/profiles, and the built-in ones\n"
		    "stager profile build NAME [PART...] [--set KEY=VALUE] [--serial S] [--out FILE|--keep] [--update FILE]\n"
		    "        [--identifier ID] [--title TEXT] [--sign] [--org NAME]\n"
		    "    one profile of these parts (of the one called NAME), in an order in which they can hold; checked as by lint.\n"
		    "    A part is any profile of the list; --set fills it in, a certificate as base64 or PEM.\n"
		    "    --serial: for this device; without it what devices say themselves stays open, for blueprints (template: yes).\n"
		    "    --keep: among the station's profiles, as the next version of the one there; --update: as the next version of FILE\n"
		    "stager profile wants PART...\n"
		    "    which values these parts ask for, of which kind, and whether the device or the station knows them\n"
		    "stager profile sign FILE OUT [--org NAME]\n"
		    "    with the organisation's certificate; checked first\n"
		    "stager profile verify FILE [--ca FILE]\n"
		    "    who signed it: fails when the signature does not fit or its signer is not trusted here\n"
		    "stager profile encrypt FILE OUT --serial S|--to CERTIFICATE [--sign] [--org NAME]\n"
		    "    only this device can read what is in it, with an RSA identity it has already\n"
		    "stager profile rogue FILE|NAME... | --device SERIAL [--read]\n"
		    "    what would take a device to an MDM, authority, proxy, VPN, name server or filter nobody has allowed; with --device what is\n"
		    "    on it that this station did not install (--read: plugged in, read anew). Exit status 5: something was found\n"
		    "stager profile allow [host|certificate|signer|app|profile WHAT [--name NAME] [--note TEXT] [--second NAME]]\n"
		    "    the list of what is allowed, or one more: mdm.example.org, '*.example.org', a certificate's file, 'org.example.*'\n"
		    "stager profile forbid KIND WHAT\n"
		    "    takes it off that list\n"
		    "stager profile fetch NAME --from URL|FILE [--mdm KIND] [--secret NAME [--user ACCOUNT|--header NAME]] [--ca FILE]\n"
		    "        [--life-days N] [--once]\n"
		    "    an enrolment profile as the MDM gives it out, with a line; kept among the station's profiles until its last day.\n"
		    "    KIND: intune, jamf, workspace-one, ivanti, ivanti-epmm, micromdm, nanomdm, fleet, other. The secret (stager secret set)\n"
		    "    is sent as a bearer token, as the account's password, or in that header. --once: good for one device\n"
		    "stager profile fetch NAME|--due\n"
		    "    the same again; --due: those past half of their life. A running station does that by itself while there is a line\n"
		    "stager profile fetched | forget NAME\n"
		    "    those there are and until when they work; forget one and its file\n"
		    "stager profile schema show|import DIR\n"
		    "    the rules profiles are checked by; import: newer ones from a copy of Apple's device-management"),
	.about = N_("configuration profiles: check, read, build, sign and fetch them"),
	.run = run,
};
