/*
 * mcerror.c - what the profile service says no with, as something a person or a step can act on.
 *
 * For:    mcinstall.c and the operations built on it.
 * Uses:   plist.c, codes/mcinstall.c.
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

static bool chain_error(plist_t chain, const char *request, struct stg_error *err)
{
	const struct stg_code_row *best = NULL;
	int origin = 0;
	char words[224] = "";
	uint32_t n = apple_is(chain, PLIST_ARRAY) ? plist_array_get_size(chain) : 0;
	for (uint32_t i = 0; i < n && i < CHAIN_MAX; i++) {
		plist_t entry = plist_array_get_item(chain, i);
		const char *domain = apple_str(entry, "ErrorDomain");
		uint64_t raw = 0;
		apple_uint(entry, "ErrorCode", &raw);
		int64_t number = (int64_t)raw;
		/* the rows stand in the order of how much they tell */
		const struct stg_code_row *row = stg_codes_by_number(&stg_codes_mcinstall, domain, number);
		bool better = row && (!best || row < best);
		if (i == 0 || better) {
			const char *text = apple_str(entry, "USEnglishDescription");
			char said[120], where[64];
			stg_printable(*text ? text : apple_str(entry, "LocalizedDescription"), false, said, sizeof(said));
			stg_printable(domain, false, where, sizeof(where));
			if (better || !best)
				snprintf(words, sizeof(words), "%s %" PRId64 " %s", where, number, said);
			best = better ? row : best;
			origin = (int)number;
		}
	}
	if (!best)
		best = &stg_codes_mcinstall.otherwise;
	return stg_fail_id(err, best->code, best->id, origin, "%s: %s", request, *words ? words : "no reason given");
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
