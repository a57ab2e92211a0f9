/*
 * order.c - which payloads lean on which.
 *
 * For:    building a profile in an order in which it can hold; warning of blueprints whose steps stand the wrong way round.
 * Uses:   nothing.
 * Called: by build.c, by the operation blueprint.check.
 * Thread: any; no state.
 *
 * Facts: apple.md 4.13 (MDM payload warning): a device checks a Wi-Fi server with roots it has, shows it an identity it has, and
 * calls the MDM while its profile goes in. So: root, identity, Wi-Fi, MDM.
 */
#include <stager/payload.h>

unsigned int stg_profile_kind(const char *type)
{
	static const struct {
		const char *type;
		unsigned int kind;
	} types[] = {
		{ "com.apple.security.root", STG_PAYLOAD_ROOT },       { "com.apple.security.pem", STG_PAYLOAD_ROOT },
		{ "com.apple.security.pkcs1", STG_PAYLOAD_ROOT },      { "com.apple.security.pkcs12", STG_PAYLOAD_IDENTITY },
		{ "com.apple.security.scep", STG_PAYLOAD_IDENTITY },   { "com.apple.security.acme", STG_PAYLOAD_IDENTITY },
		{ "com.apple.wifi.managed", STG_PAYLOAD_WIFI },        { "com.apple.mdm", STG_PAYLOAD_MDM },
	};
	for (size_t i = 0; type && i < STG_ARRAY_LEN(types); i++)
		if (strcmp(types[i].type, type) == 0)
			return types[i].kind;
	return 0;
}
