/* provision.h - provisioning profiles: what an app of one's own carries to be allowed to run. */
#ifndef VIRTUAL_PROVISION_H
#define VIRTUAL_PROVISION_H

#include <stager/bytes.h>

/* Takes the signature off: the property list inside, scanned. False when the signature does not fit the content. The signer is not
 * checked, as no Apple signs for virtual devices. */
bool virt_provision_open(struct stg_bytes profile, struct stg_buf *ret);

#endif
