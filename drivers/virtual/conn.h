/*
 * conn.h - one open connection of a host to lockdown or to a service of a device; for the core's own files.
 *
 * Services see it through service.h only. A connection begins as a mux client's socket after Connect.
 */
#ifndef VIRTUAL_CONN_H
#define VIRTUAL_CONN_H

#include "bench.h"
#include "service.h"
#include "stream.h"

/* What a fault does to the next answer. */
enum virt_answer_fault {
	VIRT_ANSWER_AS_IT_IS, VIRT_ANSWER_DROP, VIRT_ANSWER_TRUNCATE, VIRT_ANSWER_GARBAGE, VIRT_ANSWER_BOMB, VIRT_ANSWER_BIG,
	VIRT_ANSWER_WRONG_REQUEST, VIRT_ANSWER_NO_STATUS, VIRT_ANSWER_SPLIT, VIRT_ANSWER_UNPLUG,
};

struct virt_conn {
	struct virt_stream stream;
	struct virt_bench *bench;
	struct virt_device *device;          /* NULL once it was unplugged */
	const struct virt_service *service;
	char name[72];                       /* as StartService or the core named it */
	struct virt_record *record;          /* of the TLS, or NULL in plain */
	void *state;
	struct virt_conn *prev, *next;       /* of the device */
	bool was_opened;
	bool answers_binary;
	struct virt_timer after;
	void (*then)(struct virt_conn *, void *arg);
	void *then_arg;
	plist_t delayed;                     /* a message held back by a fault */
	struct stg_buf rest;                 /* of an answer that a fault cut in two, or what hostile.c says */
	size_t rest_at;
	int64_t drip_ms, repeat_bytes;       /* hostile.c: a byte each so many ms; so many bytes still to come */
	plist_t merge;                       /* hostile.c: goes into the next answer */
	enum virt_answer_fault answer_fault;
	int64_t answer_number;               /* of the fault: bytes, or ms until the plug comes back */
	bool drop_after_answer;
};

/* A port opened by StartService: one connection, then it is gone. */
struct virt_listener {
	struct virt_listener *next;
	struct virt_device *device;
	uint16_t port;
	const struct virt_service *service;
	char name[72];
	struct virt_record *record;          /* NULL: plain */
	struct virt_timer expiry;
};

extern const struct virt_service *const virt_services[];   /* made by services.sh; NULL-ended */
extern const struct virt_service virt_lockdownd;           /* lockdownd.c; always on 62078 */

#define VIRT_LOCKDOWN_PORT 62078

const struct virt_service *virt_service_find(const char *name);

/* Opens a port for one connection within 60 s; 0: none free. */
uint16_t virt_listener_add(struct virt_device *, const struct virt_service *, const char *name, struct virt_record *);
void virt_listener_free(struct virt_listener *);

/* True when something listens on that port now. */
bool virt_conn_possible(const struct virt_device *, uint16_t port);
/* Takes the socket over from a mux client. */
void virt_conn_open(struct virt_device *, uint16_t port, struct virt_stream *from);
/* Pulls all pipes of a device. */
void virt_conn_cut_all(struct virt_device *);

/* TLS as the server with this record's device certificate, after the answer is out. False: the key does not fit. */
bool virt_conn_secure(struct virt_conn *, struct virt_record *);
void virt_conn_plain(struct virt_conn *);
struct virt_record *virt_record_ref(struct virt_record *);

/* faults.c */
const struct virt_fault *virt_fault_take(struct virt_device *, const char *service, const char *request, const char *kind);
bool virt_fault_arm(struct virt_device *, const char *kind, const char *request, int skip, int count, const json_t *args,
		    struct stg_error *err);
void virt_fault_clear(struct virt_device *, const char *kind /* NULL: all */);
json_t *virt_fault_list(const struct virt_device *);
/* What a message meets before it is carried out. */
enum virt_fate { VIRT_FATE_GO_ON, VIRT_FATE_STOP };
enum virt_fate virt_fault_message(struct virt_conn *, const char *request, plist_t msg);

/* For faults.c: gives a held-back message to its service. */
void virt_conn_message(struct virt_conn *, plist_t msg);

#endif
