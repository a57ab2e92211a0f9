/*
 * inventory.c - devices and their history.
 *
 * For:    people and scripts.
 * Uses:   ops/inventory.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/facts.h>
#include <stager/text.h>

#include "_pages.h"
#include "_verbs.h"

static const struct column devices[] = {
	{ "serial", N_("serial"), COLUMN_TEXT }, { "asset_tag", N_("tag"), COLUMN_TEXT },
	{ "name", N_("name"), COLUMN_TEXT }, { "model_name", N_("model"), COLUMN_TEXT },
	{ "os_version", N_("system"), COLUMN_TEXT }, { "ownership", N_("ownership"), COLUMN_WORD },
	{ "batch", N_("batch"), COLUMN_TEXT }, { "end", N_("end"), COLUMN_STATE },
	{ "last_seen_ms", N_("last seen"), COLUMN_TIME },
	{ 0 },
};

static void line_of(const char *title, const char *value)
{
	char shown[700];
	stg_printable(value, true, shown, sizeof(shown));
	if (*shown)
		printf("  %s%*s%s\n", title, (int)(stg_text_columns(title) < 16 ? 16 - stg_text_columns(title) : 1), "", shown);
}

static void part(const struct stg_cmd_ctx *c, const char *title, const json_t *list, const struct column *columns)
{
	if (!json_array_size(list))
		return;
	printf("\n%s\n", title);
	table_print(c, list, columns, NULL);
}

/* The rules the last job judged it by: the steps' evidence has them. */
static void say_verdict(const struct stg_cmd_ctx *c, const json_t *steps)
{
	static const struct column rules[] = {
		{ "rule", N_("rule"), COLUMN_TEXT }, { "result", N_("result"), COLUMN_WORD }, { "reason", N_("reason"), COLUMN_DETAIL }, { 0 },
	};
	const json_t *found = NULL;
	for (size_t i = 0; i < json_array_size(steps); i++) {
		const json_t *step = json_array_get(steps, i), *seen = json_object_get(json_object_get(step, "evidence"), "reread");
		if (strcmp(stg_json_str(step, "step"), "check_rules") == 0 && json_object_get(seen, "rules"))
			found = json_object_get(seen, "rules");
	}
	part(c, _("Rules"), found, rules);
}

/* Enough to find the right key in the safe. */
static void short_keys(const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		char first[17];
		snprintf(first, sizeof(first), "%.16s", stg_json_str(json_array_get(list, i), "key_sha256"));
		stg_json_put(json_array_get(list, i), "key", first);
	}
}

/* Two short facts stand in one line; `left` is where the first of a pair waits for the second. */
static void fact_cell(char *left, size_t size, const char *title, const char *value)
{
	char cell[120], shown[60];
	stg_printable(value, true, shown, sizeof(shown));
	snprintf(cell, sizeof(cell), "%s%*s%s", title, (int)(stg_text_columns(title) < 16 ? 16 - stg_text_columns(title) : 1), "", shown);
	if (!left[0]) {
		stg_copy(left, size, cell);
		return;
	}
	printf("  %s%*s%s\n", left, (int)(stg_text_columns(left) < 38 ? 38 - stg_text_columns(left) : 2), "", cell);
	left[0] = 0;
}

/* What an inventory asks for, in a person's words and units; what the device did not tell is said as well. */
static const struct {
	const char *fact, *title, *unit;
	int64_t part;
} told[] = {
	{ STG_FACT_OS_RELEASED, N_("system of"), "", 0 }, { STG_FACT_OS_NEWEST, N_("newest known"), "", 0 },
	{ STG_FACT_ACTIVATION_STATE, N_("activation"), "", 0 }, { STG_FACT_SUPERVISED, N_("supervised"), "", 0 },
	{ STG_FACT_MDM_ENROLLED, N_("enrolled"), "", 0 }, { STG_FACT_FIND_MY, N_("Find My"), "", 0 },
	{ STG_FACT_PASSCODE_SET, N_("passcode"), "", 0 }, { STG_FACT_PASSCODE_COMPLIANT, N_("passcode fits"), "", 0 },
	{ STG_FACT_ENCRYPTION_CAPS, N_("encryption"), " / 3", 1 }, { STG_FACT_JAILBREAK, N_("jailbreak"), "", 0 },
	{ STG_FACT_BATTERY_PERCENT, N_("battery"), " %", 1 }, { STG_FACT_BATTERY_HEALTH, N_("battery health"), " %", 1 },
	{ STG_FACT_BATTERY_CYCLES, N_("battery cycles"), "", 1 }, { STG_FACT_CAPACITY_BYTES, N_("capacity"), " GB", 1000000000 },
	{ STG_FACT_FREE_BYTES, N_("free"), " GB", 1000000000 }, { STG_FACT_ICCID, "ICCID", "", 0 }, { STG_FACT_ICCID2, "ICCID 2", "", 0 },
	{ STG_FACT_EID, "EID", "", 0 }, { STG_FACT_ETHERNET_MAC, "Ethernet", "", 0 }, { STG_FACT_WIFI_ON, N_("Wi-Fi on"), "", 0 },
	{ STG_FACT_BLUETOOTH_ON, N_("Bluetooth on"), "", 0 }, { STG_FACT_INSTALLED_APPS, N_("apps"), "", 0 },
	{ STG_FACT_INSTALLED_PROFILES, N_("profiles"), "", 0 }, { STG_FACT_INSTALLED_CERTIFICATES, N_("certificates"), "", 0 },
};

static void say_facts(const json_t *facts)
{
	if (!json_object_size(facts))
		return;                 /* typed in by hand: nothing was ever asked */
	char untold[600] = "", left[120] = "";
	printf("\n%s\n", _("What it says of itself"));
	for (size_t i = 0; i < STG_ARRAY_LEN(told); i++) {
		const json_t *value = json_object_get(facts, told[i].fact);
		const char *is = json_string_value(value);
		char text[200];
		if (is)
			snprintf(text, sizeof(text), "%.190s",
				 strcmp(is, STG_SIGNS_FOUND) == 0 ? _("signs found") : strcmp(is, STG_SIGNS_NONE) == 0 ? _("none found") : is);
		else if (json_is_integer(value))
			snprintf(text, sizeof(text), "%lld%s", (long long)(json_integer_value(value) / (told[i].part ? told[i].part : 1)), told[i].unit);
		else if (json_is_boolean(value))
			snprintf(text, sizeof(text), "%s", json_is_true(value) ? _("yes") : _("no"));
		else if (json_is_array(value))
			snprintf(text, sizeof(text), "%zu", json_array_size(value));
		else {
			size_t len = strlen(untold);
			snprintf(untold + len, sizeof(untold) - len, "%s%s", len ? ", " : "", _(told[i].title));
			continue;
		}
		fact_cell(left, sizeof(left), _(told[i].title), text);
	}
	if (left[0])
		printf("  %s\n", left);
	/* some say it to their supervisor only, some to the step that reads details, some to nobody */
	if (untold[0])
		line_of(_("not told"), untold);
	const json_t *signs = json_object_get(facts, STG_FACT_JAILBREAK_SIGNS);
	for (size_t i = 0; i < json_array_size(signs); i++)
		line_of(i ? "" : _("signs"), json_string_value(json_array_get(signs, i)));
}

/* One device for a person: who it is, what was done to it, what it holds. Every fact and every proof is in --json. */
static void say_show(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	static const struct column orders[] = {
		{ "batch", N_("batch"), COLUMN_TEXT }, { "line", N_("line"), COLUMN_TEXT }, { "asset_tag", N_("tag"), COLUMN_TEXT },
		{ "name", N_("name"), COLUMN_TEXT }, { "ownership", N_("ownership"), COLUMN_WORD }, { 0 },
	};
	static const struct column jobs[] = {
		{ "id", N_("job"), COLUMN_TEXT }, { "batch", N_("batch"), COLUMN_TEXT }, { "blueprint", N_("blueprint"), COLUMN_TEXT },
		{ "port", N_("port"), COLUMN_TEXT }, { "state", N_("state"), COLUMN_WORD }, { "end", N_("end"), COLUMN_STATE },
		{ "code", N_("why"), COLUMN_CODE }, { "changed_ms", N_("since"), COLUMN_TIME }, { 0 },
	};
	static const struct column steps[] = {
		{ "key", N_("step"), COLUMN_TEXT }, { "outcome", N_("outcome"), COLUMN_WORD }, { "code", N_("why"), COLUMN_CODE },
		{ "ended_ms", N_("ended"), COLUMN_TIME }, { 0 },
	};
	static const struct column holds[] = {
		{ "reason", N_("on hold"), COLUMN_TEXT }, { "owner", N_("owner"), COLUMN_TEXT }, { "since_ms", N_("since"), COLUMN_TIME }, { 0 },
	};
	static const struct column certificates[] = {
		{ "serial_hex", N_("certificate"), COLUMN_TEXT }, { "subject", N_("subject"), COLUMN_TEXT }, { "status", N_("status"), COLUMN_WORD },
		{ "not_after_ms", N_("until"), COLUMN_TIME }, { 0 },
	};
	static const struct column deliveries[] = {
		{ "target", N_("target"), COLUMN_TEXT }, { "state", N_("state"), COLUMN_WORD }, { "attempts", N_("tries"), COLUMN_TEXT }, { 0 },
	};
	static const struct column escrow[] = {
		{ "kind", N_("kept for later"), COLUMN_WORD }, { "org", N_("organisation"), COLUMN_TEXT }, { "key", N_("sealed to key"), COLUMN_TEXT },
		{ "created_ms", N_("since"), COLUMN_TIME }, { "opened_ms", N_("opened"), COLUMN_TIME }, { 0 },
	};
	const json_t *facts = json_object_get(ret, "facts"), *list = json_object_get(ret, "jobs");
	const json_t *last = json_array_get(list, json_array_size(list) ? json_array_size(list) - 1 : 0);
	(void)in;
	line_of(_("serial"), stg_json_str(ret, "serial"));
	line_of(_("tag"), stg_json_str(ret, "asset_tag"));
	line_of(_("name"), stg_json_str(ret, "name"));
	line_of(_("model"), *stg_json_str(ret, "model_name") ? stg_json_str(ret, "model_name") : stg_json_str(ret, "model"));
	line_of(_("system"), stg_json_str(ret, "os_version"));
	line_of(_("ownership"), stg_json_str(ret, "ownership"));
	line_of(_("supervised by"), stg_json_str(facts, STG_FACT_SUPERVISED_BY));
	line_of(_("IMEI"), stg_json_str(ret, "imei"));
	line_of(_("UDID"), stg_json_str(ret, "udid"));
	line_of(_("ECID"), stg_json_str(ret, "unit"));
	say_facts(facts);
	part(c, _("Orders"), json_object_get(ret, "orders"), orders);
	part(c, _("Jobs"), list, jobs);
	part(c, _("Steps of the last job"), json_object_get(last, "steps"), steps);
	say_verdict(c, json_object_get(last, "steps"));
	part(c, _("Holds"), json_object_get(ret, "holds"), holds);
	part(c, _("Certificates"), json_object_get(ret, "certificates"), certificates);
	short_keys(json_object_get(ret, "escrow"));
	part(c, _("Escrow"), json_object_get(ret, "escrow"), escrow);
	part(c, _("Deliveries"), json_object_get(ret, "deliveries"), deliveries);
}

static const struct verb verbs[] = {
	{ "", "inventory.list", "query? --limit#", devices, "devices", NULL, NULL },
	{ "list", "inventory.list", "query? --limit#", devices, "devices", NULL, NULL },
	{ "show", "inventory.show", "serial", NULL, NULL, say_show, NULL },
	{ "add", "inventory.add", "serial --asset_tag= --name= --ownership= --model= --imei=", NULL, NULL, NULL, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	if (c->argc > 1 && strcmp(c->argv[1], "export") == 0)
		return pages_export(c, "inventory.export", "after", NULL);
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_inventory = {
	.name = "inventory",
	.usage = N_("stager inventory list [QUERY]\n"
		    "    QUERY: part of a serial number, a tag, a name, a model\n"
		    "stager inventory show SERIAL\n"
		    "    what is known of one device and what was done to it; --json tells everything\n"
		    "stager inventory add SERIAL [--asset-tag T] [--name N] [--ownership pool|personal|unknown]\n"
		    "stager inventory export FILE [--format csv|json]\n"
		    "    - is standard output"),
	.about = N_("devices and their history"),
	.run = run,
};
