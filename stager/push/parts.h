/*
 * parts.h - what the files of stager/push share.
 *
 * A connector travels as the JSON form of its file, checked once when it is read:
 * {"v":1,"name","about","file","auth":{"kind","also":[]},"batch":{"max_items","max_bytes"},
 *  "request":{"method","path","headers":{},"body"},"answer":{"type","max_bytes"},"receipts","natural_key",
 *  "rejects":[400,...],"timeout_ms","test":{"method","path"}}
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

/* ---- auth.c ---- */
bool push_auth_known(const char *kind);
const char *push_auth_kinds(void);      /* "none, bearer, ..." for messages */

/* The target's credentials, opened: {"token","secret","client_pem"}. Wiped when freed. */
struct push_credentials {
	json_t *values;
};
bool push_credentials_parse(const struct stg_secret *text, struct push_credentials *ret, struct stg_error *err);
void push_credentials_clear(struct push_credentials *c);
/* Replaces every credential that stands in text by "***", in place. */
void push_credentials_hide(const struct push_credentials *c, char *text);

/* ---- target.c: one configured MDM, ready to be spoken to ---- */
struct push_target {
	char name[64];
	json_t *connector, *config;
	struct push_credentials credentials;
	bool is_file, rehearsal;
	const char *state_dir;
};
/* `target` is a row of the store. STG_E_INPUT: its configuration is wrong; STG_E_SAFETY: a rehearsal would leave the machine. */
bool push_target_open(const json_t *target, bool rehearsal, const char *state_dir, struct push_target *ret, struct stg_error *err);
void push_target_clear(struct push_target *t);

/* ---- request.c ---- */
struct push_request {
	char url[2048], method[16];
	json_t *headers;
	struct stg_secret bearer;       /* "Bearer ...", the value of Authorization; not set: none */
	struct stg_buf body;
};
/* `records`: list of record objects, `ids` their outbox rows (record_id, idempotency_key). now_s: of this attempt.
 * STG_E_REFUSED: the connector cannot express these records; STG_E_INPUT: connector or target are wrong. */
bool push_request_make(const struct push_target *t, const json_t *rows, const json_t *records, int64_t now_s, struct push_request *ret, struct stg_error *err);
void push_request_clear(struct push_request *r);
bool push_request_send(const struct push_target *t, const struct push_request *r, struct stg_stop *stop, struct stg_net_answer *ret, struct stg_error *err);
/* Adds the headers of the kinds of authentication in use. */
bool push_auth_apply(const struct push_target *t, struct stg_bytes body, const char *id, int64_t now_s, struct push_request *r, struct stg_error *err);

/* ---- file.c ---- */
bool push_file_path(const struct push_target *t, char *ret, size_t size, struct stg_error *err);
/* Makes sure each record stands in the file exactly once. ret_added: how many were new. */
bool push_file_deliver(const struct push_target *t, const json_t *rows, const json_t *records, int64_t *ret_added, struct stg_error *err);
/* Whether it could: folder there and writable, file ours. */
bool push_file_test(const struct push_target *t, struct stg_error *err);

/* ---- pace.c: when a target may be spoken to again ---- */
struct push_pace {
	char target[64];
	int64_t due_boot_ms;            /* 0: at once */
	int64_t wait_ms;                /* the last wait, 0 after a success */
	int refused_in_a_row;
	json_t *unsettled;              /* outcomes the inventory could not take yet: they come before anything else */
};
struct push_pace *push_pace_of(const char *target);
/* The next wait for a failure of this class; retry_after_ms -1 when the server named none. */
int64_t push_pace_wait(struct push_pace *p, enum stg_net_class class, int64_t retry_after_ms);
void push_pace_clear(struct push_pace *p);

/* Value of a dotted path in a record; a bare name is also looked for in "device". "" when absent. */
const char *push_key_of(const json_t *record, const char *natural_key);

#endif
