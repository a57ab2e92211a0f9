/*
 * profiles.h - configuration profiles as the device's own installer sees them.
 *
 * Facts: error domains and codes as published for MDM and seen in ErrorChain; where a single meaning is not confirmed the
 * nearest one is used. A host must log number, domain and text and act on the outcome, not on a table.
 */
#ifndef VIRTUAL_PROFILES_H
#define VIRTUAL_PROFILES_H

#include "device.h"

/* Outermost first, as on the wire. */
struct virt_chain {
	size_t n;
	struct {
		unsigned int code;
		const char *domain;
		char text[160];
	} link[3];
};

/* Adds an inner error; returns false so that `return virt_chain_add(...)` reads well. */
bool virt_chain_add(struct virt_chain *, unsigned int code, const char *domain, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
plist_t virt_chain_plist(const struct virt_chain *);   /* the array ErrorChain */

/* Reads a profile, plain (XML or binary) or in a CMS wrapping, and checks what the installer checks. NULL: see chain. */
struct virt_profile *virt_profile_read(struct stg_bytes, struct virt_chain *why);
/* Puts it among the installed ones, replacing one of the same identifier; takes it. False: refused, chain says why. */
bool virt_profile_install(struct virt_device *, struct virt_profile *, bool silent, struct virt_chain *why);
/* True when it was there and is gone. */
bool virt_profile_remove(struct virt_device *, const char *identifier);
struct virt_profile *virt_profile_find(struct virt_device *, const char *identifier);
/* The person finished the Setup Assistant: what was stored for that moment is installed. */
void virt_setup_finished(struct virt_device *);

#endif
