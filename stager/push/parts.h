/*
 * parts.h - what the files of stager/push share.
 *
 * A connector travels as the JSON form of its file, checked once when it is read:
 * {"v":1,"name","about","file","auth":{"kind","also":[],"token_url",...,"login":{"method","headers","body","take","send_as","life_s"}},"settings":{NAME:{"about","required","default"}},
 *  "timeout_ms","rate":{"requests","per_ms"},"test":{"method","path"},"orders":{},"console":{"about","heading":[],"row","key","max_rows","max_bytes"},"devices":{call,"found","next","page"}, and one exchange, or "phases":{LETTER:exchange}}
 * exchange: {"batch":{"max_items","max_bytes"},"item","fields":{NAME:"ours|theirs|ask"},"natural_key",
 *  "lookup":{call,"found","next","page","when","missing","after_ms","none":[404]},"request":call,"update":call,
 *  "answer":{"type","max_bytes"},"receipts","rejects":[400,...],"errors","ordered","operation":{call,"ref","done","receipts","most_ms"}}
 * call: {"method","path","headers":{},"body"}
 */
#ifndef STAGER_PUSH_PARTS_H
#define STAGER_PUSH_PARTS_H

#include <stager/error.h>
#include <stager/net.h>
#include <stager/push.h>

#define PUSH_RECORD_MAX (4u << 20)     /* one record of the inventory */
#define PUSH_BODY_MAX (16u << 20)
#define PUSH_ANSWER_MAX (16u << 20)
#define PUSH_TEXT_MAX 500              /* what is kept of an answer (mdm-push 10.1) */

/* ---- jq.c ---- */
/* Runs a program over one input in the helper process: a list of its outputs. STG_E_INPUT: the program does not compile;
 * STG_E_REFUSED: it stopped with an error over this input; STG_E_TIMEOUT: longer than 5 s or more than 64 MiB. */
json_t *push_jq(const char *program, const json_t *input, struct stg_error *err);
bool push_jq_compiles(const char *program, struct stg_error *err);

/* ---- format.c ---- */
json_t *push_format_read(const char *file, struct stg_bytes text, struct stg_error *err);

/* ---- auth.c ---- */
bool push_auth_known(const char *kind);
const char *push_auth_kinds(void);      /* "none, bearer, ..." for messages */
bool push_auth_allowed(const json_t *connector, const char *kind);

/* The target's credentials, opened: {"token","secret","client_pem","key_pem","pin"}. Wiped when freed. */
struct push_credentials {
	json_t *values;
};
bool push_credentials_parse(const struct stg_secret *text, struct push_credentials *ret, struct stg_error *err);
void push_credentials_clear(struct push_credentials *c);
/* Replaces every credential that stands in text by "***", in place. */
void push_credentials_hide(const struct push_credentials *c, char *text);

/* ---- target.c: one configured MDM, ready to be spoken to ---- */
/* A request's body before its turn has come, for the batch of that id. */
struct push_made {
	char batch[40];
	bool is_json;
	struct stg_buf body;
};
struct push_target {
	char name[64];
	json_t *connector, *config;     /* config: with the connector's defaults filled in */
	const json_t *exchange;         /* of the phase that is being delivered; inside connector */
	struct push_credentials credentials;
	const struct push_kind *kind;   /* a receiver that is no HTTP (kind.h); NULL: the connector says how */
	bool rehearsal;
	const char *state_dir;
	struct push_made *made;         /* what ahead.c has made ready; NULL: nothing is */
};
/* `target` is a row of the store. STG_E_INPUT: its configuration is wrong; STG_E_SAFETY: a rehearsal would leave the machine. */
bool push_target_open(const json_t *target, bool rehearsal, const char *state_dir, struct push_target *ret, struct stg_error *err);
void push_target_clear(struct push_target *t);
/* Turns to what the connector does in this phase ("P", "A", "B", "E"). False: it has no such phase. */
bool push_target_phase(struct push_target *t, const char *phase);
/* Whose word counts for a field: "ours", "theirs" or "ask"; the target's own setting policy.FIELD wins. */
const char *push_policy(const struct push_target *t, const char *field);

/* ---- auth/clock.c: the hour by the servers, while ours is wrong ---- */
int64_t push_clock_s(void);
int64_t push_clock_offset_s(void);
/* Reads the Date of an answer that came from the right server. True when it moved our idea of the hour. */
bool push_clock_seen(const json_t *headers);

/* ---- auth/token.c ---- */
/* Kind of authentication in use that asks a sign-in server first; NULL: none. */
const char *push_auth_signs_in(const struct push_target *t);
/* "Bearer ..." from the cache or, `anew` in any case, from the sign-in server. When that fails `ret` stays unset and ret_failed says why. */
bool push_token_get(const struct push_target *t, bool anew, struct stg_stop *stop, struct stg_secret *ret, struct stg_net_answer *ret_failed, struct stg_error *err);
/* The request for a token, its secrets masked. */
json_t *push_token_try(const struct push_target *t, struct stg_error *err);

/* ---- auth/session.c: the kind session-login; token.c asks and keeps ---- */
/* The sign-in's body; masked: with *** for the password. */
bool push_session_body(const struct push_target *t, bool masked, struct stg_buf *ret, struct stg_error *err);
json_t *push_session_headers(const struct push_target *t, struct stg_error *err);
const char *push_session_method(const struct push_target *t);
const char *push_session_header(const struct push_target *t);   /* what carries the session: "Authorization", "Session-Token" */
bool push_session_read(const struct push_target *t, const struct stg_net_answer *a, struct stg_secret *ret, int64_t *ret_life_s, struct stg_error *err);

/* ---- auth/tokenkey.c ---- */
/* The key of a target whose client_key is in a token, for one request; NULL where it has none. STG_ID_TARGET_TOKEN_PIN, _GONE, _PAIR,
 * STG_ID_TOKEN_MODULE. EVP_PKEY_free(). */
bool push_client_key(const struct push_target *t, struct evp_pkey_st **ret, struct stg_error *err);
/* Its address and what must stand beside it, the token left alone. */
bool push_client_key_check(const struct push_target *t, struct stg_error *err);
/* The target's state where such a key failed, else the other word. */
const char *push_state_of(const struct stg_error *why, const char *otherwise);

/* ---- auth/webhook.c ---- */
struct push_request;
bool push_webhook_apply(const struct push_target *t, struct stg_bytes body, const char *id, int64_t now_s, struct push_request *r, struct stg_error *err);

/* ---- request.c ---- */
struct push_request {
	char url[2048], method[16];
	json_t *headers;
	struct stg_secret bearer;       /* "Bearer ...", the value of Authorization; not set: none */
	const char *bearer_header;      /* another header that carries it; NULL: Authorization */
	struct stg_buf body;
};
/* What beside the records a path may name. */
struct push_words {
	const char *page, *op_ref;
};
/* One of the exchange's calls over these records: list of record objects as push_records_enrich() made them, `rows` their
 * outbox rows (record_id, idempotency_key). now_s: of this attempt. STG_E_REFUSED: the connector cannot express these
 * records; STG_E_INPUT: connector or target are wrong. */
bool push_request_make(const struct push_target *t, const json_t *call, const json_t *rows, const json_t *records, struct push_words words, int64_t now_s,
		       struct push_request *ret, struct stg_error *err);
void push_request_clear(struct push_request *r);
/* The body that `request` will have over these, for a later push_request_make(); what cannot be made is left for then. */
void push_body_ahead(const struct push_target *t, const json_t *rows, const json_t *records, struct push_made *ret);
/* Signs in first where the target must. is_read: nothing changes there, so it may arrive twice. */
bool push_request_send(const struct push_target *t, struct push_request *r, bool is_read, struct stg_stop *stop, struct stg_net_answer *ret, struct stg_error *err);
/* Does this path or header name one record, so that records go one by one? */
bool push_call_is_single(const json_t *call);
/* {{config.NAME}} and {{base_url}} of a text that is not about a record. STG_E_INPUT: one is empty. */
bool push_fill_config(const struct push_target *t, const char *text, char *ret, size_t size, struct stg_error *err);
/* Gives each record what field maps may use beside it: "target", "record_sha256", "item". A new list. STG_E_REFUSED: `item` fails. */
json_t *push_records_enrich(const struct push_target *t, const json_t *rows, const json_t *records, struct stg_error *err);

/* ---- lookup.c: what the receiver has already ---- */
/* {KEY: {"id","have":{},"record"}} for the keys of these records, over all pages. NULL with ret_failed.class set when the
 * receiver did not say, or with an error when it cannot be asked or understood. */
json_t *push_lookup(const struct push_target *t, const json_t *rows, const json_t *records, struct stg_stop *stop, struct stg_net_answer *ret_failed,
		    struct stg_error *err);
enum push_verdict {
	PUSH_TELL_NEW, PUSH_TELL_UPDATE,
	PUSH_SAME,              /* it stands there already */
	PUSH_NEWER,             /* a newer result of this device stands there */
	PUSH_CONFLICT,          /* a person must choose; ret_text says between what */
	PUSH_UNKNOWN_THERE,     /* not shown yet: parked */
};
/* Compares one enriched record with what was found (NULL: nothing). record["item"] loses what is theirs to keep and record["found"]
 * is set. `decided` is a person's word: "ours", "theirs" or "". */
enum push_verdict push_weigh(const struct push_target *t, json_t *record, const json_t *found, bool in_doubt, const char *decided, char *ret_text, size_t size);

/* Adds the headers of the kinds of authentication in use. */
bool push_auth_apply(const struct push_target *t, struct stg_bytes body, const char *id, int64_t now_s, struct push_request *r, struct stg_error *err);

/* ---- pace.c: when a target may be spoken to again ---- */
struct push_pace {
	char target[64];
	int64_t due_boot_ms;            /* 0: at once */
	int64_t wait_ms;                /* the last wait, 0 after a success */
	int refused_in_a_row;
	int64_t max_items;              /* after the server called a batch too large; 0: as the connector says */
	double requests;                /* what is left of the rate, and since when */
	int64_t rate_boot_ms;
	json_t *unsettled;              /* outcomes the inventory could not take yet: they come before anything else */
};
struct push_pace *push_pace_of(const char *target);
/* The next wait for a failure of this class; retry_after_ms -1 when the server named none. */
int64_t push_pace_wait(struct push_pace *p, enum stg_net_class class, int64_t retry_after_ms);
void push_pace_clear(struct push_pace *p);
/* Takes one request from the target's rate; else false and when there is one again. */
bool push_pace_may_ask(struct push_pace *p, const json_t *rate, int64_t *ret_due_boot_ms);

/* Value of a dotted path in a record; a bare name is also looked for in "device". "" when absent. */
const char *push_key_of(const json_t *record, const char *natural_key);

#endif
