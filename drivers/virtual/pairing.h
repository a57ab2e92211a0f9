/* pairing.h - trust: who may open sessions on a device, and how it comes to that. */
#ifndef VIRTUAL_PAIRING_H
#define VIRTUAL_PAIRING_H

#include "device.h"

/* Fills the answer to a Pair request: EscrowBag, or Error (and the challenge of a supervised device). */
void virt_pair(struct virt_device *, plist_t msg, plist_t answer);
/* NULL, or the name of the error. */
const char *virt_unpair(struct virt_device *, plist_t msg);
struct virt_record *virt_record_find(struct virt_device *, const char *host_id);
/* The person's finger: only while a dialog is open. */
bool virt_tap(struct virt_device *, bool trust, struct stg_error *err);

/* Checks a CMS SignedData of a supervisor: content equal to what was asked to be signed, a good signature, and the first
 * certificate one that may supervise this device (its DER goes to ret_cert when not NULL). `why` says what was wrong. */
bool virt_supervisor_signed(const struct virt_device *, struct stg_bytes cms_der, struct stg_bytes content,
			    struct stg_buf *ret_cert, const char **why);

#endif
