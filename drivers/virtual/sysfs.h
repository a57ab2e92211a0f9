/*
 * sysfs.h - the ports of the bench, and the tree in which the product reads them.
 *
 * Port i of the bench has a kernel path such as 2-1.4. Hubs have 16 ports, made of three seven-port chips in a chain as
 * real ones are: 2-1.1 to 2-1.6, 2-1.7.1 to 2-1.7.6, 2-1.7.7.1 to 2-1.7.7.4. Six such hubs hang on a bus.
 */
#ifndef VIRTUAL_SYSFS_H
#define VIRTUAL_SYSFS_H

#include "bench.h"

#define VIRT_HUB_PORTS 16u

void virt_port_name(unsigned int i, char ret[32]);
/* Back to i; false when the bench has no such port. */
bool virt_port_number(const struct virt_bench *, const char *name, unsigned int *ret);
unsigned int virt_port_bus(const char *name);

/* Makes DIR/bus/usb/devices with root hubs and hubs. What another bench left there is removed first; anything else is
 * refused (STG_E_INPUT). */
struct virt_sysfs *virt_sysfs_start(struct virt_bench *, const char *dir, unsigned int ports, struct stg_error *err);
void virt_sysfs_stop(struct virt_sysfs *);   /* removes the tree; takes NULL */
/* A folder appears or goes as a whole, never half-written. */
void virt_sysfs_add(struct virt_sysfs *, const struct virt_device *);
void virt_sysfs_remove(struct virt_sysfs *, const struct virt_device *);

#endif
