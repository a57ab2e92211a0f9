/*
 * supervision.h - the cloud configuration: written by a host, or fetched from the organisation's programme.
 */
#ifndef VIRTUAL_SUPERVISION_H
#define VIRTUAL_SUPERVISION_H

#include "profiles.h"

/* The name of the tunnel's error domain on this system. */
const char *virt_tunnel_domain(const struct virt_device *);
/* What SetCloudConfiguration does; borrows config. False: nothing changed, chain says why. */
bool virt_supervise(struct virt_device *, plist_t config, struct virt_chain *why);
/* What DownloadAndApplyCloudConfiguration does. */
bool virt_programme_asked(struct virt_device *, struct virt_chain *why);
/* A device of the programme that is activated and has a network in the Setup Assistant fetches its record by itself:
 * called when one of these may have changed. */
void virt_consider_programme(struct virt_device *);

#endif
