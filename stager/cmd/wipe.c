/*
 * wipe.c - a person's order to erase: the count of a list, or the last four characters of a serial, typed.
 *
 * For:    people at the bench; scripts pass --count or --confirm, which replace the typing and no condition.
 * Uses:   ops "wipe.list", "wipe.order", "wipe.sign" and its kin. The gate decides again when the device itself is there.
 * Called: main.c.
 * Thread: the command's.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stager/text.h>

#include "_verbs.h"
#include "_words.h"

static bool type_answer(const char *question, char *ret, size_t size)
{
	if (!isatty(STDIN_FILENO))
		return false;
	fprintf(stderr, "%s ", question);
	if (!fgets(ret, (int)size, stdin))
		return false;
	ret[strcspn(ret, "\r\n")] = 0;
	return true;
}

static int unconfirmed(const struct stg_cmd_ctx *c)
{
	struct stg_error err = { 0 };
	stg_fail_id(&err, STG_E_SAFETY, STG_ID_ERASE_NOT_CONFIRMED, 0, "%s", "");
	return stg_cmd_tell(c, &err);
}

static int give_order(struct stg_cmd_ctx *c, const json_t *in)
{
	STG_AUTO(stg_json_free_at) json_t *ret = NULL;
	int status = 0;
	if (!stg_cmd_call(c, "wipe.order", in, NULL, 0, &ret, &status))
		return status;
	if (c->json)
		document_print(c, ret);
	else
		printf(_("%lld erases are ordered. Each happens when its device is plugged in and every condition holds.\n"),
		       (long long)stg_json_int(ret, "ordered", 0));
	return 0;
}

/* A lead at the bench agrees: name and PIN. */
static bool put_second(json_t *in, const char *second, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret pin = { 0 };
	if (!second)
		return true;
	if (!secret_ask(_("PIN of the second person"), &pin, err))
		return false;
	struct stg_bytes b = stg_secret_reveal(&pin);
	stg_json_put(in, "second", second);
	json_object_set_new(in, "second_pin", json_stringn((const char *)b.data, b.len));
	return true;
}

static int order_batch(struct stg_cmd_ctx *c, const char *batch, int64_t count, const char *second)
{
	static const struct column columns[] = {
		{ "serial", N_("serial"), COLUMN_TEXT }, { "asset_tag", N_("tag"), COLUMN_TEXT }, { "name", N_("name"), COLUMN_TEXT }, { 0 },
	};
	static const struct column kept[] = {
		{ "serial", N_("never erased"), COLUMN_TEXT }, { "ownership", N_("ownership"), COLUMN_WORD }, { 0 },
	};
	STG_AUTO(stg_json_free_at) json_t *in = json_pack("{s:s}", "batch", batch), *list = NULL;
	int status = 0;
	if (!stg_cmd_call(c, "wipe.list", in, NULL, 0, &list, &status))
		return status;
	if (!c->json && !c->quiet) {
		table_print(c, json_object_get(list, "devices"), columns, NULL);
		if (json_array_size(json_object_get(list, "refused"))) {
			putchar('\n');
			table_print(c, json_object_get(list, "refused"), kept, NULL);
		}
	}
	if (count < 0) {
		char typed[32];
		if (!type_answer(_("Everything on these devices will be ERASED. Type their number:"), typed, sizeof(typed)))
			return unconfirmed(c);
		count = atoll(typed);
	}
	stg_json_put_int(in, "count", count);
	struct stg_error err = { 0 };
	return put_second(in, second, &err) ? give_order(c, in) : stg_cmd_tell(c, &err);
}

static int order_serials(struct stg_cmd_ctx *c, json_t *serials, const char *second)
{
	STG_AUTO(stg_json_free_at) json_t *in = json_object();
	size_t i;
	json_t *one;
	json_array_foreach(serials, i, one) {
		char typed[16], question[160];
		if (json_object_get(one, "confirm"))
			continue;
		snprintf(question, sizeof(question), _("%s will be ERASED. Type its last four characters:"), stg_json_str(one, "serial"));
		if (!type_answer(question, typed, sizeof(typed)))
			return unconfirmed(c);
		stg_json_put(one, "confirm", typed);
	}
	json_object_set(in, "serials", serials);
	struct stg_error err = { 0 };
	return put_second(in, second, &err) ? give_order(c, in) : stg_cmd_tell(c, &err);
}

/* ---- exceptions: a lead agrees beforehand ---- */

static const struct column signed_columns[] = {
	{ "id", N_("number"), COLUMN_TEXT }, { "by", N_("signed by"), COLUMN_TEXT }, { "batch", N_("batch"), COLUMN_TEXT },
	{ "left", N_("left"), COLUMN_TEXT }, { "most", N_("of"), COLUMN_TEXT }, { "until_ms", N_("until"), COLUMN_TIME },
	{ "state", N_("state"), COLUMN_WORD }, { "reason", N_("reason"), COLUMN_TEXT }, { 0 },
};

static void say_signed(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	char hour[32];
	time_t at = (time_t)(stg_json_int(ret, "until_ms", 0) / 1000);
	struct tm tm;
	(void)c, (void)in;
	strftime(hour, sizeof(hour), "%H:%M", localtime_r(&at, &tm));
	printf(_("Exception %lld: %s agrees to %lld erases until %s. Each is still confirmed and checked, and counted.\n"),
	       (long long)stg_json_int(ret, "id", 0), stg_json_str(ret, "by"), (long long)stg_json_int(ret, "most", 0), hour);
}

static void say_withdrawn(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf(_("Exception %lld is withdrawn.\n"), (long long)stg_json_int(ret, "withdrawn", 0));
}

static const struct verb verbs[] = {
	{ "sign", "wipe.sign", "serials... --batch= --count# --*minutes# --*reason= --by= ^pin", NULL, NULL, say_signed, NULL },
	{ "exceptions", "wipe.exceptions", "--all!", signed_columns, "exceptions", NULL, NULL },
	{ "withdraw", "wipe.withdraw", "id#", NULL, NULL, say_withdrawn, NULL },
	{ 0 },
};

static bool is_verb(const char *word)
{
	for (const struct verb *v = verbs; word && v->op; v++)
		if (strcmp(v->name, word) == 0)
			return true;
	return false;
}

static int run(struct stg_cmd_ctx *c)
{
	static const struct option options[] = {
		{ "batch", required_argument, NULL, 'b' }, { "count", required_argument, NULL, 'n' },
		{ "serial", required_argument, NULL, 's' }, { "confirm", required_argument, NULL, 'c' },
		{ "second", required_argument, NULL, '2' }, { 0 },
	};
	if (c->argc > 1 && is_verb(c->argv[1]))
		return verbs_run(c, verbs);
	const char *second = NULL;
	STG_AUTO(stg_json_free_at) json_t *serials = json_array();
	const char *batch = NULL;
	int64_t count = -1;
	char *end;
	int opt;
	optind = 1;
	while ((opt = word_option(c, options)) != -1) {
		switch (opt) {
		case 'b': batch = optarg; break;
		case 'n':
			count = strtoll(optarg, &end, 10);
			if (!*optarg || *end || count < 0) {
				fprintf(stderr, _("stager wipe: --count takes a whole number\n"));
				return 2;
			}
			break;
		case 's': json_array_append_new(serials, json_pack("{s:s}", "serial", optarg)); break;
		case 'c':
			if (!json_array_size(serials)) {
				fprintf(stderr, _("stager wipe: --confirm stands after the --serial it belongs to\n"));
				return 2;
			}
			stg_json_put(json_array_get(serials, json_array_size(serials) - 1), "confirm", optarg);
			break;
		case '2': second = optarg; break;
		default: return 2;
		}
	}
	if (!words_end(c))
		return 2;
	if ((batch != NULL) == (json_array_size(serials) > 0)) {
		fprintf(stderr, "%s\n", _("stager wipe: say --batch NAME, or --serial S (there is no --all)"));
		return 2;
	}
	return batch ? order_batch(c, batch, count, second) : order_serials(c, serials, second);
}

const struct stg_cmd stg_cmd_wipe = {
	.name = "wipe",
	.usage = N_("stager wipe --batch NAME [--count N] [--second NAME]\n"
		    "    shows the list; the number of devices is typed, or given as --count\n"
		    "stager wipe --serial S [--confirm LAST4] [--serial S --confirm LAST4 ...] [--second NAME]\n"
		    "    the last four characters are typed, or given as --confirm. --second: a lead who stands beside you agrees with a PIN\n"
		    "stager wipe sign SERIAL... --minutes N --reason TEXT [--by NAME]\n"
		    "stager wipe sign --batch NAME --count N --minutes N --reason TEXT [--by NAME]\n"
		    "    a lead agrees beforehand, at most for a day: one erase of each device, ordered by somebody else\n"
		    "stager wipe exceptions [--all]\n"
		    "stager wipe withdraw NUMBER\n"
		    "    what was agreed to beforehand, and what is left of it"),
	.about = N_("orders erases: the count or the end of each serial is typed; there is no --all"),
	.run = run,
};
