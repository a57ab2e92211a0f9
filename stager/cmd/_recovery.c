/*
 * _recovery.c - which keys put a device into recovery mode.
 *
 * For:    stager restore, stager queue add: a phone that does not trust the station is put there by hand.
 * Uses:   nothing.
 * Called: from those commands.
 * Thread: any.
 *
 * Facts: the maker's page "If you can't update or restore" (support.apple.com 118106, 2025): iPhone 8 and later, and iPads without a
 * Home button, press and release two volume keys, then hold the top or side key; iPhone 7 and iPod touch 7 hold volume down and the
 * side or top key; older ones and iPads with a Home button hold Home and the top or side key; each until the screen shows a cable.
 */
#include <stdlib.h>
#include <string.h>

#include <stager/bytes.h>
#include <stager/text.h>

#include "_recovery.h"

enum way { VOLUME, VOLUME_IPAD, TWO, HOME, ALL };

static enum way way_of(const char *product)
{
	static const struct { const char *kind; int first, second; enum way before, between, from; } kinds[] = {
		{ "iPhone", 9, 10, HOME, TWO, VOLUME },
		{ "iPod", 9, 10, HOME, TWO, TWO },
		/* iPad8,x are the first without a Home button; 9 and 10 were never made, 11 and 12 have one again */
		{ "iPad", 8, 9, HOME, VOLUME_IPAD, HOME },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(kinds); i++) {
		size_t n = strlen(kinds[i].kind);
		if (strncmp(product, kinds[i].kind, n) != 0 || product[n] < '1' || product[n] > '9')
			continue;
		long major = strtol(product + n, NULL, 10);
		if (i == 2 && major >= 13)
			return VOLUME_IPAD;
		return major < kinds[i].first ? kinds[i].before : major < kinds[i].second ? kinds[i].between : kinds[i].from;
	}
	return ALL;
}

const char *recovery_keys(const char *product_type)
{
	static const char *const sentences[] = {
		[VOLUME] = N_("Press and release volume up, then volume down, then hold the side key until the screen shows a cable."),
		[VOLUME_IPAD] = N_("Press and release the volume key nearest to the top key, then the other one, then hold the top key until the screen shows a cable."),
		[TWO] = N_("Hold volume down and the side (or top) key together until the screen shows a cable."),
		[HOME] = N_("Hold the Home button and the top (or side) key together until the screen shows a cable."),
		[ALL] = N_("Without a Home button: volume up, volume down, then hold the side or top key; with one: hold it and the top or side key; "
			   "iPhone 7: hold volume down and the side key. Until the screen shows a cable."),
	};
	return _(sentences[way_of(product_type)]);
}
