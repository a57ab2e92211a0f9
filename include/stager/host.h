/*
 * host.h - what a worker may ask the station for, and nothing else.
 *
 * A worker has no database, no network and no private key of the station. Each call is one message to the station and
 * blocks for the answer (deadline: the step's). The station checks every request against the job (unit, attach, step).
 * Tests hand in a table of their own.
 */
#ifndef STAGER_HOST_H
#define STAGER_HOST_H

#include <stager/error.h>
#include <stager/identity.h>
#include <stager/json.h>
#include <stager/secret.h>

/* One pre-made host identity from the pool, already committed for this unit. PEM texts; keys are secret. */
struct stg_host_identity {
	char host_id[64], system_buid[64];
	struct stg_buf root_certificate, host_certificate;
	struct stg_secret root_key, host_key;
};
void stg_host_identity_clear(struct stg_host_identity *h);

enum stg_ask { STG_ASK_TRUST, STG_ASK_UNLOCK, STG_ASK_SETTINGS_PROFILE, STG_ASK_REPLUG, STG_ASK_CHARGE, STG_ASK_ENROL };

/* A payload made for this job: exact bytes to install, and what re-reading must show. */
struct stg_payload {
	struct stg_buf bytes;
	char identifier[256], uuid[40], sha256[65];
	int64_t version;
	char certificate_sha256[65];    /* issue_certificate: the leaf; else "" */
};
void stg_payload_clear(struct stg_payload *p);

struct stg_http {
	const char *method, *url_path;  /* below the activation service; the station knows the host */
	const char *content_type;
	struct stg_bytes body;
	const json_t *headers;          /* object of strings */
};
struct stg_http_answer {
	int status;
	char content_type[128];
	json_t *headers;                /* object of strings, lower-case names */
	struct stg_buf body;
};
void stg_http_answer_clear(struct stg_http_answer *a);

/* A file of the repository of apps (apps.h), for the running step. Cleared: the descriptor is closed. */
struct stg_host_file {
	json_t *about;                  /* the row of the repository as it was pinned; NULL: nothing here yet */
	int fd;                         /* read only, at its beginning; only where `about` is set */
	uint64_t size_bytes;
	char sha256[65];
	char mark[40];                  /* mark.h: what whoever sends it compares */
};
void stg_host_file_clear(struct stg_host_file *f);

struct stg_host {
	void *ctx;

	/* The host identity for this unit (the same one on every call for the same trust); committed before it returns. */
	bool (*host_identity)(void *ctx, struct stg_host_identity *ret, struct stg_error *);
	/* Keep (or, with an empty secret, forget) the finished pair record, an XML property list, for this unit. */
	bool (*keep_trust)(void *ctx, const char *udid, const struct stg_secret *record, struct stg_error *);
	/* DER of the organisation's supervision certificate; STG_E_NOT_FOUND when there is no organisation. */
	bool (*supervisor)(void *ctx, struct stg_buf *ret_der, struct stg_error *);
	/* CMS over at most 64 bytes, content attached, once per step. */
	bool (*sign_challenge)(void *ctx, struct stg_bytes challenge, struct stg_buf *ret_cms, struct stg_error *);
	/* One HTTP exchange with the activation service. STG_E_WAITING + STG_ID_NO_LINE when there is no line. */
	bool (*relay)(void *ctx, const struct stg_http *, struct stg_http_answer *ret, struct stg_error *);
	/* The payload of the running step, filled in for this device. */
	bool (*payload)(void *ctx, struct stg_payload *ret, struct stg_error *);
	/* Spends the erase token of this attach; STG_E_SAFETY when the gate says no. */
	bool (*erase_token)(void *ctx, const struct stg_identity *read_now, struct stg_error *);
	/* Shown on the board. ask_person returns at once; the driver then waits for the device to change. */
	void (*ask_person)(void *ctx, enum stg_ask what);
	void (*progress)(void *ctx, int percent);

	/* May the next piece of a large transfer go? Blocks until it is this device's turn on its 480 Mbit/s segment; *ret_bytes says
	 * how many bytes may be moved before the next ask (never 0 while left_bytes is not). left_bytes: what is still to be moved;
	 * 0 = done or given up, answered at once. Waiting is not the step's time. A device that goes silent with a turn in hand loses it
	 * after some seconds. Small things (profiles, questions) never ask, and so always go first. NULL: nobody shares.
	 * Called through struct stg_bulk, not directly. */
	bool (*bulk_turn)(void *ctx, uint64_t left_bytes, uint64_t *ret_bytes, struct stg_error *);

	/* Seals a token of this device to the organisation's recovery key and keeps it; *ret_receipt (a new reference) says
	 * {"key_sha256","escrow","sealed_sha256"}, no secret. NULL token: only asks whether there is such a key. STG_E_NOT_FOUND +
	 * STG_ID_NO_RECOVERY_KEY without one. */
	bool (*escrow)(void *ctx, const struct stg_secret *token, json_t **ret_receipt, struct stg_error *);
	/* The token of this device that two persons opened; once. STG_E_NEEDS_HUMAN + STG_ID_UNLOCK_NOT_OPENED. */
	bool (*unlock_token)(void *ctx, struct stg_secret *ret, struct stg_error *);
	/* This name for this device from now on. STG_E_REFUSED + STG_ID_NAME_TAKEN when another one of the batch has it. */
	bool (*claim_name)(void *ctx, const char *name, struct stg_error *);
	/* What the inventory and the order know of where this device comes from, as stg_store_origin() says it; a new reference. */
	bool (*origin)(void *ctx, json_t **ret, struct stg_error *);

	/* The file the running step wants (step.h, wants_file), opened by the station: a worker opens none. STG_E_NOT_FOUND +
	 * STG_ID_APP_UNKNOWN or DOCUMENT_UNKNOWN, STG_E_IO + STG_ID_APP_FILE_DAMAGED when it is no longer there as it was added. */
	bool (*file)(void *ctx, struct stg_host_file *ret, struct stg_error *);
};

/*
 * One large transfer and its share of the cable (apps, documents, restore images: from STG_BULK_MIN bytes on).
 *
 *   struct stg_bulk bulk = { .host = dev->host, .left_bytes = size };
 *   while (...) { if (!stg_bulk_take(&bulk, n, err)) break; send n bytes; }
 *   stg_bulk_done(&bulk);             always, also after an error; harmless twice
 */
#define STG_BULK_MIN (4u << 20)
struct stg_bulk {
	const struct stg_host *host;
	uint64_t left_bytes;            /* of the whole transfer */
	uint64_t turn_bytes;            /* left of the running turn */
	bool asked;
};
/* Before n bytes are sent; asks the station when the turn is used up. Transfers below STG_BULK_MIN never ask. */
bool stg_bulk_take(struct stg_bulk *b, size_t n, struct stg_error *err);
void stg_bulk_done(struct stg_bulk *b);

const char *stg_ask_name(enum stg_ask a);   /* "trust", "unlock", ... */

#endif
