/*
 * mcerror.c - what the profile service says no with, as something a person or a step can act on.
 *
 * For:    mcinstall.c and the operations built on it.
 * Uses:   plist.c.
 * Called: from this folder.
 * Thread: any; no state.
 * Facts:  protocols/apple.md 4.1, 4.13. Domains appear with MC or, on newer systems, DMC in front: suffix and number
 *         decide. The outermost entry comes first, the telling one is often inside, so all are looked at.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "device.h"

#define CHAIN_MAX 16

static const struct {
	const char *domain;     /* without MC or DMC; NULL: any */
	int first, last;
	enum stg_code code;
	uint16_t id;
} meanings[] = {
	{ "TunnelErrorDomain", 14001, 14001, STG_E_NEEDS_HUMAN, STG_ID_DEVICE_LOCKED },
	{ "TunnelErrorDomain", 14002, 14002, STG_E_HOLD, STG_ID_ALREADY_CONFIGURED },
	{ "CloudConfigErrorDomain", 33000, 33001, STG_E_WAITING, STG_ID_ENROLMENT_NO_NETWORK },
	{ "CloudConfigErrorDomain", 33005, 33005, STG_E_WAITING, STG_ID_NOT_ASSIGNED },
	{ "CloudConfigErrorDomain", 33002, 33002, STG_E_REFUSED, STG_ID_CONFIGURATION_REFUSED },
	{ "CloudConfigErrorDomain", 33003, 33003, STG_E_WAITING, STG_ID_NOT_ACTIVATED },
	{ "CloudConfigErrorDomain", 33004, 33004, STG_E_HOLD, STG_ID_ASSIGNED_CENTRALLY },
	{ "CloudConfigErrorDomain", 33023, 33023, STG_E_REFUSED, STG_ID_CONFIGURATION_NOT_STORED },
	{ "CloudConfigErrorDomain", 33000, 33099, STG_E_REFUSED, STG_ID_CONFIGURATION_REFUSED },
	{ "InstallationErrorDomain", 4009, 4009, STG_E_NEEDS_HUMAN, STG_ID_DEVICE_LOCKED },
	{ "MDMErrorDomain", 12000, 12099, STG_E_REFUSED, STG_ID_PROFILE_NEEDS_NETWORK },
	{ "ChaperoneErrorDomain", 29000, 29099, STG_E_REFUSED, STG_ID_NOT_OUR_SUPERVISION },
	{ "KeybagErrorDomain", 37000, 37099, STG_E_NEEDS_HUMAN, STG_ID_DEVICE_LOCKED },
	{ "InstallationErrorDomain", 4000, 4099, STG_E_REFUSED, STG_ID_PROFILE_REFUSED },
	{ "ProfileErrorDomain", 1000, 1099, STG_E_REFUSED, STG_ID_PROFILE_REFUSED },
	{ "PayloadErrorDomain", 2000, 2099, STG_E_REFUSED, STG_ID_PROFILE_REFUSED },
	{ "PasscodeErrorDomain", 5000, 5099, STG_E_REFUSED, STG_ID_PROFILE_REFUSED },
	{ "CertificateErrorDomain", 9000, 9099, STG_E_REFUSED, STG_ID_PROFILE_REFUSED },
	{ "WiFiErrorDomain", 13000, 13099, STG_E_REFUSED, STG_ID_PROFILE_REFUSED },
};

static bool domain_is(const char *said, const char *suffix)
{
	size_t a = strlen(said), b = strlen(suffix);
	return a >= b && strcmp(said + a - b, suffix) == 0;
}

static size_t meaning_of(const char *domain, int64_t number)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(meanings); i++)
		if (number >= meanings[i].first && number <= meanings[i].last && domain_is(domain, meanings[i].domain))
			return i;
	return STG_ARRAY_LEN(meanings);
}

static bool chain_error(plist_t chain, const char *request, struct stg_error *err)
{
	size_t best = STG_ARRAY_LEN(meanings);
	int origin = 0;
	char words[224] = "";
	uint32_t n = apple_is(chain, PLIST_ARRAY) ? plist_array_get_size(chain) : 0;
	for (uint32_t i = 0; i < n && i < CHAIN_MAX; i++) {
		plist_t entry = plist_array_get_item(chain, i);
		const char *domain = apple_str(entry, "ErrorDomain");
		uint64_t raw = 0;
		apple_uint(entry, "ErrorCode", &raw);
		int64_t number = (int64_t)raw;
		size_t meaning = meaning_of(domain, number);
		if (i == 0 || meaning < best) {
			const char *text = apple_str(entry, "USEnglishDescription");
			char said[120], where[64];
			stg_printable(*text ? text : apple_str(entry, "LocalizedDescription"), false, said, sizeof(said));
			stg_printable(domain, false, where, sizeof(where));
			if (meaning <= best)
				snprintf(words, sizeof(words), "%s %" PRId64 " %s", where, number, said);
			best = meaning < best ? meaning : best;
			origin = (int)number;
		}
	}
	if (best < STG_ARRAY_LEN(meanings))
		return stg_fail_id(err, meanings[best].code, meanings[best].id, origin, "%s: %s", request, words);
	return stg_fail_id(err, STG_E_REFUSED, STG_ID_DEVICE_REFUSED, origin, "%s: %s", request, *words ? words : "no reason given");
}

bool apple_mc_accepted(plist_t reply, const char *request, struct stg_error *err)
{
	const char *status = apple_str(reply, "Status");
	if (strcmp(status, "Acknowledged") == 0)
		return true;
	if (strcmp(status, "Error") == 0)
		return chain_error(apple_get(reply, "ErrorChain"), request, err);
	if (strcmp(status, "CommandFormatError") == 0)
		return stg_fail_id(err, STG_E_UNSUPPORTED, STG_ID_DEVICE_CANNOT, 0, "%s: the device does not know the request", request);
	if (strcmp(status, "CertificateRejected") == 0)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_NOT_OUR_SUPERVISION, 0, "%s: certificate rejected", request);
	if (strcmp(status, "SignedRequestRejected") == 0)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_CHALLENGE_REFUSED, 0, "%s: signature rejected", request);
	if (!*status)
		return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "%s: an answer without a status", request);
	char clean[80];
	stg_printable(status, false, clean, sizeof(clean));
	return stg_fail_id(err, STG_E_REFUSED, STG_ID_DEVICE_REFUSED, 0, "%s: %s", request, clean);
}
