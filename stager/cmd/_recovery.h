/* _recovery.h - how a person puts a device into recovery mode. */
#ifndef CMD_RECOVERY_H
#define CMD_RECOVERY_H

/* The keys to press on this product type ("iPhone14,5"), in the reader's language; all three ways where it is not known. */
const char *recovery_keys(const char *product_type);

#endif
