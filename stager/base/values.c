/*
 * values.c - names and rules of the values that travel: modes, job states, waits, end states, identities.
 *
 * For:    every room that stores, shows or moves them.
 * Uses:   json.
 * Called: from all rooms.
 * Thread: any; no state.
 */
#include <ctype.h>
#include <stdio.h>

#include <stager/arrival.h>
#include <stager/error.h>
#include <stager/host.h>
#include <stager/identity.h>
#include <stager/job.h>

static const char *const mode_names[] = {
	[STG_MODE_NORMAL] = "normal", [STG_MODE_RECOVERY] = "recovery", [STG_MODE_DFU] = "dfu",
	[STG_MODE_RESTORE] = "restore", [STG_MODE_FOREIGN] = "foreign",
	[STG_MODE_WTF] = "wtf", [STG_MODE_PORT_DFU] = "port_dfu",
};

static const char *const job_names[] = {
	[STG_JOB_WAITING] = "waiting", [STG_JOB_RUNNING] = "running", [STG_JOB_PARKED] = "parked", [STG_JOB_HOLD] = "hold",
	[STG_JOB_INTERRUPTED] = "interrupted", [STG_JOB_DONE] = "done", [STG_JOB_FAILED] = "failed",
	[STG_JOB_CANCELLED] = "cancelled",
};

static const char *const wait_names[] = { "", "line", "person", "charge", "registration" };
static const char *const end_names[] = { "", "staged", "waiting", "hold", "failed", "missing" };
static const char *const ask_names[] = { "trust", "unlock", "settings_profile", "replug", "charge", "enrol" };

/* FAILED may be tried again by a person; DONE and CANCELLED are for good. What only waited for a receipt, or was held because the MDM
 * had refused the device, is done when the receipt comes. */
static const bool may_move[STG_JOB_STATES][STG_JOB_STATES] = {
	[STG_JOB_WAITING] = { [STG_JOB_RUNNING] = true, [STG_JOB_CANCELLED] = true, [STG_JOB_HOLD] = true },
	[STG_JOB_RUNNING] = { [STG_JOB_PARKED] = true, [STG_JOB_HOLD] = true, [STG_JOB_DONE] = true, [STG_JOB_FAILED] = true,
			      [STG_JOB_INTERRUPTED] = true, [STG_JOB_WAITING] = true },
	[STG_JOB_PARKED] = { [STG_JOB_WAITING] = true, [STG_JOB_CANCELLED] = true, [STG_JOB_HOLD] = true, [STG_JOB_DONE] = true },
	[STG_JOB_HOLD] = { [STG_JOB_WAITING] = true, [STG_JOB_CANCELLED] = true, [STG_JOB_DONE] = true },
	[STG_JOB_INTERRUPTED] = { [STG_JOB_WAITING] = true, [STG_JOB_CANCELLED] = true, [STG_JOB_HOLD] = true },
	[STG_JOB_FAILED] = { [STG_JOB_WAITING] = true, [STG_JOB_CANCELLED] = true },
};

const char *stg_mode_name(enum stg_mode m)
{
	return (size_t)m < STG_ARRAY_LEN(mode_names) ? mode_names[m] : "foreign";
}

const char *stg_job_state_name(enum stg_job_state s)
{
	return (size_t)s < STG_ARRAY_LEN(job_names) ? job_names[s] : "";
}

bool stg_job_state_parse(const char *name, enum stg_job_state *ret)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(job_names); i++) {
		if (strcmp(job_names[i], name) == 0) {
			*ret = (enum stg_job_state)i;
			return true;
		}
	}
	return false;
}

const char *stg_wait_name(enum stg_wait w)
{
	return (size_t)w < STG_ARRAY_LEN(wait_names) ? wait_names[w] : "";
}

enum stg_wait stg_wait_parse(const char *name)
{
	for (size_t i = 1; i < STG_ARRAY_LEN(wait_names); i++)
		if (strcmp(wait_names[i], name) == 0)
			return (enum stg_wait)i;
	return STG_WAIT_NOTHING;
}

const char *stg_end_name(enum stg_end e)
{
	return (size_t)e < STG_ARRAY_LEN(end_names) ? end_names[e] : "";
}

bool stg_job_may_move(enum stg_job_state from, enum stg_job_state to)
{
	return (size_t)from < STG_JOB_STATES && (size_t)to < STG_JOB_STATES && may_move[from][to];
}

const char *stg_ask_name(enum stg_ask a)
{
	return (size_t)a < STG_ARRAY_LEN(ask_names) ? ask_names[a] : "";
}

/* One row per text field: the JSON key is the same everywhere, in the database, over sockets, in --json. */
#define FIELDS(X) \
	X(family) X(unit) X(serial) X(udid) X(meid) X(model) X(model_name) X(hardware) X(device_class) X(os_version) \
	X(build) X(wifi_mac) X(bluetooth_mac) X(name) X(key_sha256)

json_t *stg_identity_json(const struct stg_identity *id)
{
	json_t *j = json_object();
#define X(field) stg_json_put(j, #field, id->field);
	FIELDS(X)
#undef X
	json_t *list = json_array();
	for (size_t i = 0; i < STG_ARRAY_LEN(id->imei); i++)
		if (id->imei[i][0])
			json_array_append_new(list, json_string(id->imei[i]));
	if (json_array_size(list))
		stg_json_put_new(j, "imei", list);
	else
		json_decref(list);
	return j;
}

bool stg_identity_from_json(const json_t *j, struct stg_identity *ret, struct stg_error *err)
{
	struct stg_identity id = { 0 };
	if (!json_is_object(j))
		return stg_fail(err, STG_E_PROTOCOL, 0, "an identity that is not an object");
#define X(field)                                                                      \
	if (!stg_copy(id.field, sizeof(id.field), stg_json_str(j, #field)))           \
		return stg_fail(err, STG_E_PROTOCOL, 0, "identity: " #field " is too long");
	FIELDS(X)
#undef X
	const json_t *list = json_object_get(j, "imei");
	size_t n = 0;
	for (size_t i = 0; i < json_array_size(list) && n < STG_ARRAY_LEN(id.imei); i++) {
		const char *one = json_string_value(json_array_get(list, i));
		if (!one || !stg_copy(id.imei[n], sizeof(id.imei[n]), one))
			return stg_fail(err, STG_E_PROTOCOL, 0, "identity: an IMEI is too long");
		if (one[0])        /* a device with a second slot only has one number, and it is its first */
			n++;
	}
	*ret = id;
	return true;
}

static bool agree(const char *a, const char *b)
{
	return !a[0] || !b[0] || strcmp(a, b) == 0;
}

bool stg_identity_same(const struct stg_identity *a, const struct stg_identity *b)
{
	return a->unit[0] && strcmp(a->family, b->family) == 0 && strcmp(a->unit, b->unit) == 0 && agree(a->serial, b->serial) &&
	       agree(a->udid, b->udid);
}

static int luhn_digit(const char *fourteen)
{
	int sum = 0;
	for (int i = 0; i < 14; i++) {
		int d = fourteen[i] - '0';
		if (i % 2) {
			d *= 2;
			if (d > 9)
				d -= 9;
		}
		sum += d;
	}
	return (10 - sum % 10) % 10;
}

bool stg_imei_clean(const char *text, char ret[20])
{
	char digits[17];
	size_t n = 0;
	for (const char *p = text; *p; p++) {
		if (*p == ' ' || *p == '-' || *p == '/' || *p == '\'')
			continue;
		if (!isdigit((unsigned char)*p) || n == 16)
			return false;
		digits[n++] = *p;
	}
	digits[n] = 0;
	if (n < 15)
		return false;
	char check = (char)('0' + luhn_digit(digits));
	if (n == 15 && digits[14] != check)
		return false;
	digits[14] = check;
	digits[15] = 0;
	memcpy(ret, digits, 16);
	return true;
}

void stg_host_identity_clear(struct stg_host_identity *h)
{
	stg_buf_clear(&h->root_certificate);
	stg_buf_clear(&h->host_certificate);
	stg_secret_clear(&h->root_key);
	stg_secret_clear(&h->host_key);
}

void stg_payload_clear(struct stg_payload *p)
{
	stg_buf_clear(&p->bytes);
}

void stg_host_file_clear(struct stg_host_file *f)
{
	if (f->about)
		stg_close_at(&f->fd);
	json_decref(f->about);
	*f = (struct stg_host_file){ 0 };
}

void stg_http_answer_clear(struct stg_http_answer *a)
{
	json_decref(a->headers);
	a->headers = NULL;
	stg_buf_clear(&a->body);
}
