/*
 * _health.c - what the station knows about its own health: clock, results, dates that end, the backup of its keys.
 *
 * For:    stager doctor, stager support.
 * Uses:   operations that only read.
 * Called: from those commands.
 * Thread: the command's.
 */
#include <stdio.h>
#include <string.h>

#include <stager/clock.h>
#include <stager/net.h>
#include <stager/text.h>

#include "_details.h"
#include "_health.h"
#include "_table.h"

#define SOON_MS (30 * 86400000LL)
#define POOL_LEAST 8
#define OLD_RESULT_MS 86400000LL

void health_tell(struct health *h, enum health_level level, const char *check, unsigned int id, const char *text, const char *act)
{
	static const char *const names[] = { "ok", "warn", "fail" };
	char code[16] = "";
	json_t *line = json_object();
	if (level > h->worst)
		h->worst = level;
	if (id)
		snprintf(code, sizeof(code), "STG-%u", id);
	stg_json_put(line, "check", check);
	stg_json_put(line, "level", names[level]);
	stg_json_put(line, "text", text ? text : stg_id_sentence(id));
	/* always there, also when there is nothing to do: programs rely on the keys */
	stg_json_put_new(line, "act", json_string(level == HEALTH_OK ? "" : act ? act : stg_id_act(id)));
	stg_json_put_new(line, "code", json_string(level == HEALTH_OK ? "" : code));
	json_array_append_new(h->lines, line);
}

static void tell_error(struct health *h, enum health_level level, const char *check, const struct stg_error *err)
{
	health_tell(h, level, check, err->id, err->id ? NULL : err->msg, NULL);
}

static json_t *ask(struct health *h, const char *op, const json_t *in, struct stg_error *err)
{
	json_t *ret = NULL;
	return stg_call(h->caller, op, in, NULL, 0, &ret, err) ? ret : NULL;
}

/* ---- what ends ---- */

/* `what` is a whole sentence's beginning: "The identity of North". */
static void ends(struct health *h, const char *check, const char *what, int64_t at_ms, const char *act)
{
	char text[300], until[32];
	int64_t now = stg_wall_ms();
	if (!at_ms)
		return;
	day_text(at_ms, until);
	if (at_ms <= now)
		snprintf(text, sizeof(text), _("%s ended on %s."), what, until);
	else
		snprintf(text, sizeof(text), _("%s ends on %s."), what, until);
	health_tell(h, at_ms <= now ? HEALTH_FAIL : at_ms <= now + SOON_MS ? HEALTH_WARN : HEALTH_OK, check,
		    at_ms <= now ? STG_ID_ENDED : STG_ID_ENDS_SOON, text, act);
}

static void organisations(struct health *h)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *list = ask(h, "org.list", NULL, &err);
	size_t i;
	json_t *one;
	if (!list) {
		tell_error(h, HEALTH_FAIL, "organisation", &err);
		return;
	}
	if (!json_array_size(list))
		health_tell(h, HEALTH_FAIL, "organisation", STG_ID_NO_ORGANISATION, _("There is no organisation yet."), "stager org create NAME");
	json_array_foreach(list, i, one) {
		char text[200], name[120], day[32];
		int64_t backed_ms = stg_json_int(one, "backup_verified_ms", 0);
		stg_printable(stg_json_str(one, "name"), true, name, sizeof(name));
		day_text(backed_ms, day);
		if (backed_ms)
			snprintf(text, sizeof(text), _("%s, backup verified on %s"), name, day);
		else
			snprintf(text, sizeof(text), _("%s has no verified backup."), name);
		health_tell(h, backed_ms ? HEALTH_OK : h->is_rehearsal ? HEALTH_WARN : HEALTH_FAIL, "backup", STG_ID_NO_BACKUP, text,
			    "stager org backup FILE --name NAME");
	}
}

/* What is done about a thing that ends, and under which word it stands. */
static const struct { const char *kind, *check, *act; } ending[] = {
	{ "identity", "identity", N_("Make a new one in time; supervised devices keep the old identity.") },
	{ "root", "CA", N_("Make a new one in time; supervised devices keep the old identity.") },
	{ "authority", "CA", N_("Make a new one in time; supervised devices keep the old identity.") },
	{ "signer", "CA", N_("Make a new one in time; supervised devices keep the old identity.") },
	{ "certificates", "certificates", N_("Stage these devices again: stager ca list") },
	{ "profile", "profile", N_("Get a new one from your MDM.") },
	{ "app", "app", N_("Get a newly signed build: stager app add FILE.ipa") },
	{ "target", "target", N_("Give the target new credentials: stager target add --replace") },
	{ "token", "target", N_("Give the target new credentials: stager target add --replace") },
	{ "trusted", "signer", N_("Get the signer's new certificate: stager profile allow signer FILE") },
	{ "noted", "noted", N_("Renew it, then note the new date: stager expiry note") },
};

static void one_end(struct health *h, const json_t *entry)
{
	char what[300];
	unsigned int id = (unsigned int)stg_json_int(entry, "code", 0);
	for (size_t i = 0; i < STG_ARRAY_LEN(ending); i++) {
		if (strcmp(ending[i].kind, stg_json_str(entry, "kind")) != 0)
			continue;
		detail_text(stg_json_str(entry, "text"), what, sizeof(what));
		if (id)
			health_tell(h, HEALTH_FAIL, ending[i].check, id, what, NULL);
		else
			ends(h, ending[i].check, what, stg_json_int(entry, "ends_ms", 0), _(ending[i].act));
	}
}

/* Everything that ends, as `stager expiry` has it; challenges come and go with the line, the registration authority renews itself. */
static void calendar(struct health *h)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *all = ask(h, "expiry", NULL, &err);
	const json_t *entries = json_object_get(all, "entries");
	bool has_certificates = false;
	if (!all)
		tell_error(h, HEALTH_FAIL, "state", &err);
	for (size_t i = 0; i < json_array_size(entries); i++) {
		const json_t *one = json_array_get(entries, i);
		has_certificates |= strcmp(stg_json_str(one, "kind"), "certificates") == 0;
		one_end(h, one);
	}
	if (!has_certificates)
		health_tell(h, HEALTH_OK, "certificates", 0, _("none of a device ends within 30 days"), "");
}

/* ---- clock, results, files ---- */

static void clock_line(struct health *h, const json_t *clock)
{
	const char *quality = stg_json_str(clock, "quality");
	char text[160];
	if (!stg_json_bool(clock, "ok", true)) {
		health_tell(h, HEALTH_FAIL, "clock", (unsigned int)stg_json_int(clock, "id", 0), NULL, NULL);
	} else if (strcmp(quality, "unset") == 0) {
		health_tell(h, HEALTH_WARN, "clock", STG_ID_CLOCK_UNSET, NULL, NULL);
	} else {
		snprintf(text, sizeof(text), _("plausible; set by: %s"), quality);
		health_tell(h, HEALTH_OK, "clock", 0, text, "");
	}
}

static void outbox(struct health *h, const json_t *box)
{
	int64_t waiting = stg_json_int(box, "waiting", 0), oldest = stg_json_int(box, "oldest_ms", 0);
	bool old = waiting && oldest && stg_wall_ms() - oldest > OLD_RESULT_MS;
	char text[160];
	snprintf(text, sizeof(text), _("%lld results wait"), (long long)waiting);
	health_tell(h, old ? HEALTH_WARN : HEALTH_OK, "outbox", STG_ID_RESULTS_OLD, text, NULL);
}

/* Looked at by whoever runs the station: a person may not even see the folder. */
static void state_files(struct health *h, const json_t *exposed)
{
	size_t i;
	json_t *one;
	json_array_foreach(exposed, i, one) {
		char shown[200];
		stg_printable(json_string_value(one), true, shown, sizeof(shown));
		health_tell(h, HEALTH_FAIL, "permissions", STG_ID_STATE_EXPOSED, shown, NULL);
	}
	if (json_is_array(exposed) && !json_array_size(exposed))
		health_tell(h, HEALTH_OK, "permissions", 0, _("the state is for the station alone"), "");
}

static void own_store(struct health *h)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *store = ask(h, "doctor.store", NULL, &err);
	char text[120];
	if (!store) {
		tell_error(h, HEALTH_FAIL, "state", &err);
		return;
	}
	state_files(h, json_object_get(store, "exposed"));
	int64_t made = stg_json_int(store, "identities", 0);
	snprintf(text, sizeof(text), _("%lld made in advance"), (long long)made);
	health_tell(h, made >= POOL_LEAST || h->caller->fd < 0 ? HEALTH_OK : HEALTH_WARN, "identities", STG_ID_POOL_EMPTY, text,
		    _("Leave the station running a minute before plugging in."));
}

bool health_look(struct health *h, struct stg_caller *caller, struct stg_error *err)
{
	*h = (struct health){ .caller = caller };
	STG_AUTO(stg_json_free_at) json_t *now = ask(h, "status", NULL, err);
	struct stg_error why = { 0 };
	if (!now)
		return false;
	h->lines = json_array();
	h->is_rehearsal = strcmp(stg_json_str(now, "kind"), "rehearsal") == 0;
	health_tell(h, HEALTH_OK, "state", 0, caller->state_dir, "");
	health_tell(h, HEALTH_OK, "station", 0, caller->fd >= 0 ? _("running") : _("not running (stager run)"), "");
	clock_line(h, json_object_get(now, "clock"));
	health_machine(h);
	own_store(h);
	outbox(h, json_object_get(now, "outbox"));
	organisations(h);
	calendar(h);
	if (stg_net_start(&why))
		health_tell(h, HEALTH_OK, "libcurl", 0, _("the OpenSSL flavour"), "");
	else
		tell_error(h, HEALTH_FAIL, "libcurl", &why);
	return true;
}
