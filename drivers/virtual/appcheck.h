/* appcheck.h - may this app go onto this virtual device? Asked by every door an app comes in by. */
#ifndef VIRTUAL_APPCHECK_H
#define VIRTUAL_APPCHECK_H

#include "device.h"
#include "shelf.h"

/* Why not, in the words of the wire. */
struct virt_app_no {
	const char *error, *about;
	uint64_t detail;         /* 0: none */
};

/* `info`: its Info.plist. `profile`: the signed provisioning profile inside, empty: none. `needs_signature`: false for what a developer
 * puts there as a folder, and for what was bought. Fills ret, also where it says no later on. */
bool virt_app_check(struct virt_device *, plist_t info, struct stg_bytes profile, bool needs_signature, struct virt_app *ret,
		    struct virt_app_no *ret_no);

#endif
