/*
 * _order.c - profiles that lean on one another, in the order in which they can hold.
 *
 * For:    blueprint.check: what will fail on each device of a batch is said before the first one is plugged in.
 * Uses:   the pinned profiles of a blueprint; profiles/ says which payloads lean on which.
 * Called: ops/blueprint.c.
 * Thread: any; no state.
 */
#include <stdio.h>

#include <stager/payload.h>

#include "_order.h"

enum { PROFILE_MAX = 4 << 20, STEPS_MAX = 100 };
enum { ROOT = STG_PAYLOAD_ROOT, IDENTITY = STG_PAYLOAD_IDENTITY, WIFI = STG_PAYLOAD_WIFI, MDM = STG_PAYLOAD_MDM };

static const char *word_of(unsigned int kind)
{
	return kind >= MDM ? "an MDM enrolment" : kind >= WIFI ? "a Wi-Fi" : kind >= IDENTITY ? "an identity" : "a root certificate";
}

/* What the profile of this step holds; 0: nothing of these, or it is stored for later. */
static bool kinds_of(const json_t *step, const json_t *pinned, unsigned int *ret, struct stg_error *err)
{
	const json_t *p = json_object_get(step, "params"), *pin = json_object_get(pinned, stg_json_str(p, "profile"));
	STG_AUTO(stg_buf_clear) struct stg_buf bytes = STG_BUF(PROFILE_MAX);
	*ret = 0;
	if (strcmp(stg_json_str(p, "when"), "after_setup") == 0)
		return true;
	if (strcmp(stg_json_str(step, "step"), "issue_certificate") == 0)
		*ret |= IDENTITY | ROOT;        /* it brings its issuers */
	if (!pin)
		return true;
	if (!stg_unbase64(stg_json_str(pin, "base64"), &bytes, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *read = stg_profile_read(stg_json_str(pin, "path"), stg_buf_view(&bytes), err);
	const json_t *payloads = json_object_get(read, "payloads");
	for (size_t i = 0; i < json_array_size(payloads); i++)
		*ret |= stg_profile_kind(stg_json_str(json_array_get(payloads, i), "type"));
	return read != NULL;
}

static void add(json_t *warnings, const char *text)
{
	json_array_append_new(warnings, json_string(text));
}

static unsigned int highest(unsigned int kinds)
{
	unsigned int k = MDM;
	while (k && !(kinds & k))
		k >>= 1;
	return k;
}

bool ops_warn_order(const json_t *blueprint, const json_t *pinned, json_t *warnings, struct stg_error *err)
{
	const json_t *steps = json_object_get(blueprint, "steps");
	unsigned int kinds[STEPS_MAX] = { 0 }, before = 0;
	char text[400];
	size_t n = json_array_size(steps) < STEPS_MAX ? json_array_size(steps) : STEPS_MAX;
	for (size_t j = 0; j < n; j++) {
		const char *later = stg_json_str(json_array_get(steps, j), "key");
		if (!kinds_of(json_array_get(steps, j), pinned, &kinds[j], err))
			return false;
		if ((kinds[j] & MDM) && !((before | kinds[j]) & WIFI)) {
			snprintf(text, sizeof(text), "%.60s: the device calls the MDM while this goes in, and no Wi-Fi comes before it: "
						     "say 'when: after_setup', or install one", later);
			add(warnings, text);
		}
		unsigned int brings = highest(kinds[j]);
		for (size_t i = 0; i < j && brings; i++) {
			/* what an earlier one brings itself it does not wait for */
			if (highest(kinds[i]) > brings && !(kinds[i] & brings)) {
				snprintf(text, sizeof(text), "%.60s holds %s, and %.60s before it holds %s that may need it: put it first",
					 later, word_of(brings), stg_json_str(json_array_get(steps, i), "key"), word_of(highest(kinds[i])));
				add(warnings, text);
				break;
			}
		}
		before |= kinds[j];
	}
	return true;
}
