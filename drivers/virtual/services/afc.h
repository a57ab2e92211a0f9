/* afc.h - the file protocol, for services that hand a connection over to it (house_arrest, crash reports). */
#ifndef VIRTUAL_AFC_H
#define VIRTUAL_AFC_H

#include "../device.h"
#include "../shelf.h"

#define VIRT_AFC_HANDLES 32

struct virt_conn;

struct virt_afc_handle {
	uint64_t id;             /* 0: free */
	uint64_t offset;
	unsigned int mode;       /* 1 r, 2 r+, 3 w, 4 w+, 5 a, 6 a+ */
	char path[VIRT_PATH_MAX];
};

/* One connection. Zeroed is a valid start at the root of the media folder. */
struct virt_afc {
	char root[256];          /* every path lies below it; must exist */
	bool is_over;            /* a fault ended it: nothing more is carried out */
	uint64_t last_id;
	uint64_t debt_bytes;     /* moved but not yet paid for in time */
	struct virt_afc_handle handles[VIRT_AFC_HANDLES];
};

/* Answers every whole packet in `in`; returns how much it took. */
size_t virt_afc_bytes(struct virt_conn *, struct virt_afc *, struct stg_bytes in);

#endif
