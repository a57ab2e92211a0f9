/*
 * unlock.c - opens a returned device that is locked with a passcode nobody knows.
 *
 * For:    two persons at the bench with the recovery key out of the safe.
 * Uses:   ops "unlock.list", "unlock.open", then one-shot staging with the blueprint returned-phone-unlock.
 * Called: main.c.
 * Thread: the command's.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stager/file.h>
#include <stager/text.h>

#include "_child.h"
#include "_stage.h"
#include "_verbs.h"
#include "_words.h"

#define BLUEPRINT "returned-phone-unlock"

static const struct column kept[] = {
	{ "serial", N_("serial"), COLUMN_TEXT }, { "created_ms", N_("kept"), COLUMN_TIME }, { "opened_ms", N_("opened"), COLUMN_TIME },
	{ "key_sha256", N_("recovery key"), COLUMN_TEXT }, { 0 },
};

static int list(struct stg_cmd_ctx *c, const char *serial)
{
	STG_AUTO(stg_json_free_at) json_t *in = json_pack("{s:s}", "serial", serial), *ret = NULL;
	int status = 0;
	if (stg_cmd_call(c, "unlock.list", in, NULL, 0, &ret, &status))
		table_print(c, ret, kept, NULL);
	return status;
}

static bool put_secret(json_t *in, const char *key, const char *prompt, bool may_be_empty, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret s = { 0 };
	struct stg_error why = { 0 };
	if (!secret_ask(prompt, &s, &why)) {
		if (may_be_empty && why.code == STG_E_USAGE)
			return true;
		*err = why;
		return false;
	}
	struct stg_bytes b = stg_secret_reveal(&s);
	json_object_set_new(in, key, json_stringn((const char *)b.data, b.len));
	return true;
}

/* The station opens the token and keeps it in memory for this one device; then the device is taken through its steps. */
static int unlock(struct stg_cmd_ctx *c, struct stg_caller *caller, json_t *in, int key)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *ret = NULL;
	if (!stg_call(caller, "unlock.open", in, &key, 1, &ret, &err))
		return stg_cmd_tell(c, &err);
	STG_AUTO(stg_json_free_at) json_t *stage = json_pack("{s:[s], s:{}}", "serials", stg_json_str(ret, "serial"), "params");
	return stage_devices(c, caller, BLUEPRINT, stage);
}

static int run(struct stg_cmd_ctx *c)
{
	static const struct option options[] = {
		{ "key", required_argument, NULL, 'k' }, { "second", required_argument, NULL, 's' }, { 0 },
	};
	const char *serial = NULL, *file = NULL, *second = NULL;
	struct stg_error err = { 0 };
	struct child station;
	int opt, status = 0;
	optind = 1;
	while ((opt = word_option(c, options)) != -1) {
		switch (opt) {
		case 'k': file = optarg; break;
		case 's': second = optarg; break;
		default: return 2;
		}
	}
	if (optind < c->argc)
		serial = c->argv[optind++];
	if (serial && strcmp(serial, "list") == 0 && !file) {
		const char *which = optind < c->argc ? c->argv[optind++] : "";
		return words_end(c) ? list(c, which) : 2;
	}
	if (!words_end(c))
		return 2;
	if (!serial || !file || !second) {
		fprintf(stderr, "%s\n", _("stager unlock: say SERIAL, --key FILE and --second NAME"));
		return 2;
	}
	STG_AUTO(stg_close_at) int key = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (key < 0) {
		stg_fail_id(&err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, errno, "%s: %s", file, strerror(errno));
		return stg_cmd_tell(c, &err);
	}
	STG_AUTO(stg_json_free_at) json_t *in = json_pack("{s:s, s:s}", "serial", serial, "second", second);
	if (!put_secret(in, "second_pin", _("PIN of the second person"), false, &err) ||
	    !put_secret(in, "passphrase", _("Passphrase of the recovery key (empty: none)"), true, &err))
		return stg_cmd_tell(c, &err);
	struct stg_caller *caller = stg_cmd_caller(c, &status);
	if (!caller)
		return status;
	if (!station_needed(caller, &station, &err))
		return stg_cmd_tell(c, &err);
	status = unlock(c, caller, in, key);
	station_release(caller, &station);
	return status;
}

const struct stg_cmd stg_cmd_unlock = {
	.name = "unlock",
	.usage = N_("stager unlock SERIAL --key FILE --second NAME\n"
		    "    takes the passcode off a returned device that is plugged in; nothing is erased. Asks for the PIN of the\n"
		    "    second person (lead or above) and the passphrase of the recovery key\n"
		    "stager unlock list [SERIAL]\n"
		    "    devices whose unlock token was kept when they were staged"),
	.about = N_("opens a returned device that is locked: two persons and the recovery key"),
	.run = run,
};
