/*
 * automated_enrolment.c - an assigned device takes the configuration its organisation laid down for it with the maker.
 *
 * For:    devices bought for a company: SetCloudConfiguration refuses them (33004), the supervision comes from the programme.
 * Uses:   the device door. The network is the device's own: a Wi-Fi profile goes in before this step.
 * Called: worker/run.c.
 * Thread: the worker's only one.
 *
 * Facts:  apple.md 4.2, 4.5, 4.6 (source 1), 10. The device may fetch by itself as soon as it is activated and has a
 *         network, or when it is told to; either way only its own words count: the configuration with source 1, then the
 *         server's management profile in its list. AllowPairing false in that configuration ends our trust at once.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "steps.h"

enum { SOURCE_PROGRAMME = 1, WAIT_MS = 180000, LOOK_MS = 1000, FIRST_TAP_MS = 20000 };

static const struct stg_param params[] = {
	{ "organisation", STG_PARAM_STRING, .variables = true,
	  .about = "name the configuration must carry; another one is put on hold (default: any)" },
	{ "mdm_profile", STG_PARAM_STRING, .variables = true,
	  .about = "identifier of the server's profile (default: any that this blueprint did not install)" },
	{ "wait", STG_PARAM_DURATION, .about = "how long the device may take on its network (default 3 min)" },
	{ 0 },
};

/* What is known of one device at one moment. */
struct seen {
	bool configured;                /* it has a configuration, whoever wrote it */
	bool programme;                 /* fetched from the maker's programme */
	bool supervised, ours;
	char organisation[128], profile[256];
};

/* The server's profile: by its name, or whatever this job did not put there. */
static bool find_profile(struct stg_step_ctx *c, struct seen *s, struct stg_error *err)
{
	const char *wanted = stg_json_str(c->params, "mdm_profile");
	const json_t *expected = step_expected_profiles(c), *list = step_profiles(c, true, err);
	if (!list)
		return false;
	for (size_t i = 0; i < json_array_size(list) && !s->profile[0]; i++) {
		const char *id = stg_json_str(json_array_get(list, i), "identifier"), *key;
		json_t *one;
		bool is_ours = false;
		json_object_foreach((json_t *)(uintptr_t)expected, key, one)
			is_ours = is_ours || strcmp(stg_json_str(one, "identifier"), id) == 0;
		if (*wanted ? strcmp(id, wanted) == 0 : !is_ours)
			stg_copy(s->profile, sizeof(s->profile), id);
	}
	return true;
}

static bool look(struct stg_step_ctx *c, struct seen *s, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *now = stg_device_configuration(c->device, err);
	*s = (struct seen){ 0 };
	if (!now)
		return false;
	s->configured = json_object_size(now) > 0;
	s->programme = stg_json_int(now, "ConfigurationSource", 0) == SOURCE_PROGRAMME;
	s->supervised = stg_json_bool(now, "IsSupervised", false);
	stg_copy(s->organisation, sizeof(s->organisation), stg_json_str(now, "OrganizationName"));
	json_t *seen = json_object();
	if (s->configured) {
		stg_json_put_int(seen, "source", stg_json_int(now, "ConfigurationSource", 0));
		stg_json_put(seen, "organisation", s->organisation);
		stg_json_put_bool(seen, "supervised", s->supervised);
		stg_json_put(seen, "enrolment_url", stg_json_str(now, "ConfigurationURL"));
	}
	step_reread(c, seen);
	if (s->programme && !find_profile(c, s, err))
		return false;
	if (s->profile[0])
		stg_json_put(seen, "mdm_profile", s->profile);
	return true;
}

static bool is_expected(struct stg_step_ctx *c, const struct seen *s)
{
	const char *wanted = stg_json_str(c->params, "organisation");
	return !*wanted || strcmp(wanted, s->organisation) == 0;
}

static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	struct seen s;
	*ret = false;
	if (!look(c, &s, err))
		return stg_while(err, "re-read the enrolment");
	*ret = s.programme && s.profile[0] && is_expected(c, &s);
	return true;
}

/* Something else wrote into it: nothing but an erase makes room. */
static bool judge(struct stg_step_ctx *c, const struct seen *s, struct stg_error *err)
{
	if (s->programme)
		return is_expected(c, s) || stg_fail_id(err, STG_E_HOLD, STG_ID_ENROLMENT_FOREIGN, 0, "its configuration is of '%.100s'", s->organisation);
	return stg_fail_id(err, STG_E_HOLD, STG_ID_CONFIGURED_BY_CABLE, 14002, "it has a configuration%s%.100s", s->organisation[0] ? " of " : "", s->organisation);
}

/* Sleeps unless somebody wants us to stop. */
static bool pause_for(struct stg_step_ctx *c, int64_t ms, struct stg_error *err)
{
	struct pollfd stop = { .fd = stg_stop_fd(c->stop), .events = POLLIN };
	if (ms > 0)
		(void)poll(&stop, stop.fd >= 0, (int)ms);
	return !stg_stop_pulled(c->stop) || stg_fail_id(err, STG_E_CANCELLED, STG_ID_TOLD_TO_STOP, 0, "told to stop while the device enrols");
}

/* Its trust ended while it enrolled: a configuration that forbids pairing came, and that was the programme's. */
static bool lost_sight(struct stg_step_ctx *c, struct stg_error *err)
{
	struct stg_error why = { 0 };
	if (err->id != STG_ID_TRUST_LOST && err->id != STG_ID_NO_TRUST)
		return false;
	if (stg_device_pair(c->device, &why)) {
		stg_error_reset(err);
		return true;
	}
	if (why.id == STG_ID_PAIRING_PROHIBITED)
		return stg_fail_id(err, STG_E_HOLD, STG_ID_ENROLMENT_UNREAD, why.origin, "it took a configuration that forbids pairing");
	if (why.code != STG_OK)
		*err = why;
	return false;
}

/* Until the device shows a configuration, then the server's profile, or the time is over. */
static bool wait_for(struct stg_step_ctx *c, struct seen *s, int64_t until_ms, bool profile_too, struct stg_error *err)
{
	for (;;) {
		if (!look(c, s, err) && !lost_sight(c, err))
			return false;
		if (s->configured && (!s->programme || !profile_too || s->profile[0]))
			return true;
		int64_t left = until_ms - stg_boot_ms();
		if (left <= 0)
			return true;
		if (!pause_for(c, left < LOOK_MS ? left : LOOK_MS, err))
			return false;
	}
}

/* Tells the device to fetch. An old system that does not know the word still fetches by itself. */
static bool order(struct stg_step_ctx *c, struct stg_error *err)
{
	bool active = false;
	if (!step_is_activated(c, &active, err))
		return false;
	if (!active)
		return stg_fail_id(err, STG_E_WAITING, STG_ID_WAITS_ACTIVATION, 0, "not activated: it cannot ask for its configuration");
	c->changed = true;
	json_object_del(c->memory, "supervised_by_us");
	if (stg_device_fetch_configuration(c->device, err)) {
		step_acknowledged(c, json_string("fetches its configuration"));
		return true;
	}
	if (err->code != STG_E_UNSUPPORTED && err->code != STG_E_UNKNOWN)
		return false;
	stg_error_reset(err);
	return true;
}

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	struct seen s;
	int64_t wait_ms = stg_json_int(c->params, "wait", WAIT_MS), until_ms = stg_boot_ms() + wait_ms;
	bool tapping = json_is_true(json_object_get(c->memory, "enrolment waits for a tap"));
	if (!look(c, &s, err) && !lost_sight(c, err))
		return stg_while(err, "read the configuration");
	if (!s.configured && (!order(c, err) || !wait_for(c, &s, until_ms, false, err)))
		return false;
	if (!s.configured)
		return stg_fail_id(err, STG_E_WAITING, STG_ID_ENROLMENT_NO_NETWORK, 0, "no configuration after %lld s", (long long)(wait_ms / 1000));
	if (!judge(c, &s, err))
		return false;
	/* usually the profile follows by itself; where the pane asks, a person is called and looked for each second */
	int64_t tap_ms = stg_boot_ms() + FIRST_TAP_MS;
	if (!s.profile[0] && !tapping && !wait_for(c, &s, tap_ms < until_ms ? tap_ms : until_ms, true, err))
		return false;
	if (s.profile[0])
		return true;
	stg_json_put_bool(c->memory, "enrolment waits for a tap", true);
	if (!tapping)
		c->host->ask_person(c->host->ctx, STG_ASK_ENROL);
	return stg_fail_id(err, STG_E_NEEDS_HUMAN, STG_ID_ENROLMENT_TAP, 0, "configured for '%.100s', the server's profile is not there yet", s.organisation);
}

static bool check(const json_t *p, struct stg_error *err)
{
	int64_t ms = stg_json_int(p, "wait", WAIT_MS);
	return (ms >= 1000 && ms <= 480000) || stg_fail(err, STG_E_INPUT, 0, "'wait' is too short or too long, expected 1 s to 8 min");
}

const struct stg_step stg_step_automated_enrolment = {
	.name = "automated_enrolment",
	.about = "an assigned device fetches its own configuration and enrols in its MDM",
	.params = params,
	.deadline_ms = 600000,
	.needs_trust = true,
	.proven = proven,
	.run = run,
	.check = check,
};
