/* issue_certificate.c - a certificate of the organisation's own authority, made for this device and installed in a profile. */
#include "steps.h"

enum { DAYS_MOST = 3650 };

static const struct stg_param params[] = {
	{ "common_name", STG_PARAM_STRING, .variables = true,
	  .about = "who it names, such as \"{{asset_tag|serial}}\" (default: what its template says)" },
	{ "certificate_template", STG_PARAM_STRING,
	  .about = "what kind of certificate (stager ca template): names, usages, days; what stands here goes before it" },
	{ "profile", STG_PARAM_STRING,
	  .about = "a profile that uses it (Wi-Fi, VPN): certificate and settings go in together" },
	{ "san", STG_PARAM_LIST, .variables = true, .about = "further names: dns:..., uri:..., upn:..., email:..." },
	{ "key", STG_PARAM_ENUM, .values = "rsa-2048 p-256", .about = "kind of key (default rsa-2048)" },
	{ "days", STG_PARAM_INT, .about = "valid for so many days (default 365)" },
	{ "modern", STG_PARAM_BOOL, .about = "PBES2 instead of 3DES: for new systems only" },
	{ "display_name", STG_PARAM_STRING, .variables = true, .about = "what the device shows in Settings" },
	{ "identifier", STG_PARAM_STRING, .about = "the profile's identifier (default: made from the organisation's)" },
	{ "supervised", STG_PARAM_BOOL, .about = "wait for supervision" },
	{ "how", STG_PARAM_ENUM, .values = "auto silent person", .about = "as for install_profile" },
	{ "when", STG_PARAM_ENUM, .values = "now after_setup", .about = "as for install_profile" },
	{ 0 },
};

static bool check(const json_t *p, struct stg_error *err)
{
	static const char *const kinds[] = { "dns:", "uri:", "upn:", "email:" };
	int64_t days = stg_json_int(p, "days", 365);
	if (!*stg_json_str(p, "common_name") && !*stg_json_str(p, "certificate_template"))
		return stg_fail(err, STG_E_INPUT, 0, "neither 'common_name' nor 'certificate_template' says who it names, expected one of them");
	if (days < 1 || days > DAYS_MOST)
		return stg_fail(err, STG_E_INPUT, 0, "'days' is %lld, expected 1 to %d", (long long)days, DAYS_MOST);
	const json_t *san = json_object_get(p, "san");
	for (size_t i = 0; i < json_array_size(san); i++) {
		const char *one = json_string_value(json_array_get(san, i));
		bool known = false;
		for (size_t k = 0; k < STG_ARRAY_LEN(kinds); k++)
			known = known || strncmp(one, kinds[k], strlen(kinds[k])) == 0;
		if (!known)
			return stg_fail(err, STG_E_INPUT, 0,
					"'%.60s' in 'san' has no kind, expected dns:, uri:, upn: or email: before it",
					one);
	}
	return step_payload_check(p, err);
}

const struct stg_step stg_step_issue_certificate = {
	.name = "issue_certificate",
	.about = "issues a certificate for this device and installs it",
	.params = params,
	.deadline_ms = 120000,
	.needs_trust = true,
	.makes_payload = true,
	.proven = step_payload_proven,
	.run = step_payload_run,
	.check = check,
};
