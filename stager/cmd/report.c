/*
 * report.c - papers about a batch and about erasures.
 *
 * For:    people and scripts.
 * Uses:   ops/report.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_verbs.h"
#include "_words.h"

static void say(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)ret;
	if (strcmp(stg_json_str(in, "out"), "-") != 0)
		fprintf(stderr, _("Hand-over sheet of batch %s written to %s.\n"), stg_json_str(in, "name"), stg_json_str(in, "out"));
}

/* ---- the record of an erasure, as the person who reads it writes ---- */

static void line(const char *label, const char *value)
{
	char shown[400];
	stg_printable(value, true, shown, sizeof(shown));
	if (*value)
		printf("  %s%*s  %s\n", label, 30 - (int)stg_text_columns(label) > 0 ? 30 - (int)stg_text_columns(label) : 0, "", shown);
}

/* What the station itself writes into a record, in the reader's language; people's own words stay as they are. */
static const char *said_by_station(const char *value)
{
	static const char *const sentences[] = {
		N_("built-in flash storage"), N_("cryptographic erase by the device's own command to erase all content and settings"),
		N_("full restore of the system with the maker's image; the keys of what was stored are made anew"),
		N_("re-read after its return: another device key, and nothing that speaks of a user"), N_("passed"),
		N_("re-read after its return: the system of the image, and nothing that speaks of a user"),
		N_("no answer; judged by re-reading"),
	};
	static const char *const words[][2] = {
		{ "kept", N_("plan: kept") }, { "removed", N_("plan: removed") }, { "yes", N_("answer: yes") },
		{ "Clear", N_("method: Clear") }, { "Purge", N_("method: Purge") }, { "lead", N_("word: lead") }, { "admin", N_("word: admin") },
		{ "technician", N_("word: technician") },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(sentences); i++)
		if (strcmp(sentences[i], value) == 0)
			return _(sentences[i]);
	for (size_t i = 0; i < STG_ARRAY_LEN(words) && strcmp(stg_language(), "en") != 0; i++)
		if (strcmp(words[i][0], value) == 0)
			return _(words[i][1]);
	return value;
}

static void lines(const char *title, const json_t *part, const char *const (*rows)[2], size_t n)
{
	printf("\n%s\n", title);
	for (size_t i = 0; i < n; i++)
		line(_(rows[i][1]), said_by_station(stg_json_str(part, rows[i][0])));
}

/* A blank line that is filled in by hand. */
static void blank(const char *label)
{
	line(label, "..............................");
}

static void say_erasure(const json_t *e)
{
	static const char *const media[][2] = {
		{ "manufacturer", N_("manufacturer") }, { "model_name", N_("model") }, { "model", N_("model identifier") }, { "serial", N_("serial") },
		{ "asset_number", N_("asset number") }, { "imei", N_("IMEI") }, { "unit", N_("ECID") }, { "udid", N_("UDID") }, { "media_type", N_("media type") },
		{ "source", N_("comes from") }, { "confidentiality_before", N_("confidentiality before") }, { "confidentiality_after", N_("confidentiality after") },
		{ "supervised_by_before", N_("managed by, before") }, { "os_before", N_("system before") }, { "destination", N_("goes to") },
	};
	static const char *const how[][2] = {
		{ "method", N_("method") }, { "technique", N_("technique") }, { "purge_statement", N_("maker's statement") }, { "esim_plan", N_("plan of the eSIM") },
		{ "sent", N_("ordered of the device") }, { "acknowledged", N_("acknowledged") },
	};
	static const char *const proof[][2] = {
		{ "method", N_("verified by") }, { "result", N_("result") }, { "at", N_("verified") }, { "key_before_sha256", N_("key before (SHA-256)") },
		{ "key_after_sha256", N_("key after (SHA-256)") }, { "os_after", N_("system after") }, { "activation_after", N_("activation after") },
	};
	static const char *const who[][2] = {
		{ "ordered_by", N_("ordered by") }, { "title", N_("title") }, { "ordered", N_("ordered") }, { "agreed_by", N_("agreed by") },
		{ "agreed_title", N_("title") },
	};
	static const char *const where[][2] = {
		{ "station", N_("station") }, { "port", N_("port") }, { "time_quality", N_("clock set by") },
	};
	const json_t *s = json_object_get(e, "sanitization"), *tool = json_object_get(s, "tool"), *said = json_object_get(e, "backup");
	char text[120];
	printf(_("Record of erasure %s (%s)\n"), stg_json_str(e, "erasure_id"), stg_json_str(e, "standard"));
	if (stg_json_bool(e, "rehearsal", false))
		puts(_("REHEARSAL: no real device was erased."));
	lines(_("Media"), json_object_get(e, "media"), media, STG_ARRAY_LEN(media));
	const char *answer = stg_json_str(said, "answer");
	snprintf(text, sizeof(text), "%s, %s", strcmp(answer, "none") == 0 ? _("nothing is to be kept") : strcmp(answer, "done") == 0 ? _("a copy was made") : answer,
		 stg_json_str(said, "by"));
	line(_("backup decided"), said ? text : "");
	lines(_("Sanitization"), s, how, STG_ARRAY_LEN(how));
	const json_t *image = json_object_get(s, "image");
	snprintf(text, sizeof(text), "%.20s %.20s, %.64s", stg_json_str(image, "version"), stg_json_str(image, "build"), stg_json_str(image, "sha256"));
	line(_("image (version, SHA-256)"), image ? text : "");
	snprintf(text, sizeof(text), "%s %s", stg_json_str(tool, "name"), stg_json_str(tool, "version"));
	line(_("tool"), text);
	lines(_("Verification"), json_object_get(e, "verification"), proof, STG_ARRAY_LEN(proof));
	lines(_("Persons"), json_object_get(e, "persons"), who, STG_ARRAY_LEN(who));
	lines(_("Place"), json_object_get(e, "place"), where, STG_ARRAY_LEN(where));
	printf("\n%s\n", _("Validation"));
	blank(_("validated by"));
	blank(_("title"));
	blank(_("date, place, contact"));
	blank(_("signature"));
	putchar('\n');
}

static int erasure(struct stg_cmd_ctx *c, const char *serial, const char *batch)
{
	STG_AUTO(stg_json_free_at) json_t *in = json_pack("{s:s, s:s}", "serial", serial, "batch", batch), *ret = NULL;
	int status = 0;
	size_t i;
	json_t *one;
	if (!stg_cmd_call(c, "report.erasure", in, NULL, 0, &ret, &status))
		return status;
	if (c->json) {
		table_print(c, ret, (const struct column[]){ { 0 } }, NULL);
		return 0;
	}
	json_array_foreach(ret, i, one) {
		if (i)
			putchar('\f');   /* a page each */
		say_erasure(one);
	}
	return 0;
}

static int erasure_words(struct stg_cmd_ctx *c)
{
	static const struct option options[] = {
		{ "serial", required_argument, NULL, 's' }, { "batch", required_argument, NULL, 'b' }, { 0 },
	};
	const char *serial = "", *batch = "";
	int opt;
	optind = 2;
	while ((opt = word_option(c, options)) != -1) {
		switch (opt) {
		case 's': serial = optarg; break;
		case 'b': batch = optarg; break;
		default: return 2;
		}
	}
	if (!words_end(c))
		return 2;
	if (!*serial && !*batch) {
		fprintf(stderr, "%s\n", _("stager report erasure: say --serial S or --batch NAME"));
		return 2;
	}
	return erasure(c, serial, batch);
}

static const struct verb verbs[] = {
	{ "handover", "report.handover", "name out> --out> --lang=", NULL, NULL, say, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return c->argc > 1 && strcmp(c->argv[1], "erasure") == 0 ? erasure_words(c) : verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_report = {
	.name = "report",
	.usage = N_("stager report handover BATCH [--out] FILE.pdf [--lang en|fr]\n"
		    "    the sheet that is signed when the devices change hands\n"
		    "stager report erasure --serial S | --batch NAME [--json]\n"
		    "    the record of each proven erasure with the fields of NIST SP 800-88 Rev. 2; an erase that was not proven has none"),
	.about = N_("papers: the hand-over sheet, the records of erasures"),
	.run = run,
};
