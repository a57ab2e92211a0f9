/* install_profile.c - one configuration profile: installed now, or stored for after setup (an MDM enrolment profile). */
#include "steps.h"

static const struct stg_param params[] = {
	{ "profile", STG_PARAM_STRING, .required = true,
	  .about = "the profile's name: profiles/NAME.mobileconfig of the state, else a built-in one" },
	{ "template", STG_PARAM_BOOL, .about = "fill its {{variables}} for each device" },
	{ "scep_server", STG_PARAM_STRING,
	  .about = "whose one-time challenge stands in {{scep.challenge}}: a server of stager scep proxy (default: this station)" },
	{ "certificate_template", STG_PARAM_STRING, .about = "what kind of certificate that challenge is for (stager ca template)" },
	{ "how", STG_PARAM_ENUM, .values = "auto silent person",
	  .about = "auto: silently when supervised by us; person: somebody taps Install" },
	{ "when", STG_PARAM_ENUM, .values = "now after_setup",
	  .about = "after_setup: stored, the device installs it when its setup ends" },
	{ "supervised", STG_PARAM_BOOL, .about = "only a supervised device takes it: wait for supervision" },
	{ "sign", STG_PARAM_BOOL, .about = "sign it with the organisation's certificate (default yes)" },
	{ 0 },
};

/* Reads badly in a blueprint and worse on a device. */
static bool check(const json_t *p, struct stg_error *err)
{
	const char *name = stg_json_str(p, "profile");
	if (strlen(name) > 63 ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != strlen(name) ||
	    *name == '.')
		return stg_fail(err, STG_E_INPUT, 0,
				"'%.70s' is not a profile's name, expected letters, digits, '.', '_', '-' (no folder)",
				name);
	return step_payload_check(p, err);
}

const struct stg_step stg_step_install_profile = {
	.name = "install_profile",
	.about = "installs a configuration profile, or stores it for after setup",
	.params = params,
	.deadline_ms = 120000,
	.needs_trust = true,
	.makes_payload = true,
	.proven = step_payload_proven,
	.run = step_payload_run,
	.check = check,
};
