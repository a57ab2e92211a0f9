/* ipa.h - the little of an app package that an installing device looks at. */
#ifndef VIRTUAL_IPA_H
#define VIRTUAL_IPA_H

#include <plist/plist.h>
#include <stager/bytes.h>

/* The main app's Info.plist out of a zip archive ("Payload/NAME.app/Info.plist"), inflated with a ceiling and scanned.
 * The caller frees it. NULL with STG_E_PROTOCOL (not a zip, cut short, too large), STG_E_NOT_FOUND (no such entry). */
plist_t virt_ipa_info(struct stg_bytes zip, struct stg_error *err);
/* Another file of it ("Payload/NAME.app/REST"), whole, at most 1 MiB. */
bool virt_ipa_file(struct stg_bytes zip, const char *rest, struct stg_buf *ret, struct stg_error *err);

#endif
