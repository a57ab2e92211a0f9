/*
 * postgresql.c - the target that is a PostgreSQL database: the shared inventory of a site with several stations.
 *
 * For:    sites that want every station's results in one place, asked in SQL.
 * Uses:   libpq; this is the only file that includes it. _tables.c.
 * Called: delivery.c, target commands.
 * Thread: one at a time for each call; a connection lives as long as one batch.
 * Facts:  libpq 15: sslmode verify-full checks chain and name; SQLSTATE of a refused connection stands in its message under
 *         PQERRORS_VERBOSE; READ COMMITTED gives each statement a snapshot of its own, so what follows the lock sees what
 *         the one before us committed.
 *
 * A batch is one transaction. Its records are read back first, in any case: what stands there is delivered already. A
 * connection that breaks before COMMIT was sent has changed nothing; after it, the batch is in doubt. Two stations that speak
 * of the same device take turns (an advisory lock for each device, in one order for all), and the device's row is made anew
 * from all its results: within a station its number decides, between stations the hour, then the record id.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <libpq-fe.h>

#include <stager/clock.h>
#include <stager/ids.h>

#include "../kind.h"
#include "_tables.h"

#define ROWS_MOST 500
#define CONNECT_MS 15000
#define STATEMENT_MS 60000
#define SYSTEM_CAS "/etc/ssl/certs/ca-certificates.crt"
#define FORM "postgresql://host:5432/database"

/* ---- settings ---- */

static bool ident_ok(const char *s)
{
	size_t n = strlen(s);
	return n >= 1 && n <= 40 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == n && !(*s >= '0' && *s <= '9') && strncmp(s, "pg_", 3) != 0;
}

static bool place_of(const struct push_target *t, struct stg_net_place *ret, struct stg_error *err)
{
	if (!stg_net_place(stg_json_str(t->config, "url"), FORM, ret, err))
		return stg_say(err, STG_ID_TARGET_CONFIG);
	if (strcmp(ret->scheme, "postgresql") != 0 && strcmp(ret->scheme, "postgres") != 0)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "'url' begins with %s://, " FORM " was expected", ret->scheme);
	return (*ret->path && !strchr(ret->path, '/')) || stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "'url' names no database, " FORM " was expected");
}

static bool check(struct push_target *t, struct stg_error *err)
{
	static const char *const known[] = { "url", "user", "schema", "tls", "ca_pem", "site", NULL }, *const modes[] = { "verify-full", "verify-ca", "off", NULL };
	struct stg_net_place p;
	if (!push_config_only(t->config, known, err) || !push_config_one_of(t->config, "tls", modes, err) || !place_of(t, &p, err))
		return false;
	if (!*stg_json_str(t->config, "schema"))
		stg_json_put(t->config, "schema", "stager");
	if (!*stg_json_str(t->config, "tls"))
		stg_json_put(t->config, "tls", "verify-full");
	if (!*stg_json_str(t->config, "user"))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "setting 'user' is missing: the account of this station");
	if (!ident_ok(stg_json_str(t->config, "schema")))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "'schema' has letters a to z, digits and '_', at most 40");
	if (strcmp(stg_json_str(t->config, "tls"), "off") == 0 && !p.is_loopback)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_TARGET_CONFIG, 0, "tls 'off' is for this machine only, verify-full or verify-ca was expected");
	if (t->rehearsal && !p.is_loopback)
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_TARGET_REHEARSAL, 0, "target %s is not on this machine", t->name);
	return true;
}

/* ---- a connection ---- */

struct link {
	PGconn *c;
	struct stg_stop *stop;
	int ca_fd, pem_fd;
	bool commit_sent;
	enum stg_net_class class;       /* of what went wrong */
	const char *state;
	char code[6];                   /* SQLSTATE */
};

static void link_clear(struct link *l)
{
	PQfinish(l->c);
	l->c = NULL;
	stg_close_at(&l->ca_fd);
	stg_close_at(&l->pem_fd);
}

static bool fail(struct link *l, enum stg_net_class class, const char *state, const char *what, const char *text, struct stg_error *err)
{
	char shown[200];
	stg_printable(text, true, shown, sizeof(shown));
	l->class = class;
	l->state = state;
	return stg_fail(err, class == STG_NET_OFFLINE ? STG_E_GONE : STG_E_REFUSED, 0, "%s%s%s", what, *what ? ": " : "", shown);
}

/* What a SQLSTATE means for the target; ROW: these records are at fault. */
static enum stg_net_class class_of(const char *code, const char **ret_state)
{
	static const struct {
		const char *begins, *state;
		enum stg_net_class class;
	} known[] = {
		{ "28", NULL, STG_NET_AUTH }, { "3D", "config", STG_NET_AUTH }, { "42501", "rights", STG_NET_AUTH }, { "42P01", "schema", STG_NET_AUTH },
		{ "3F000", "schema", STG_NET_AUTH }, { "42703", "schema", STG_NET_AUTH }, { "22", NULL, STG_NET_ROW }, { "23", NULL, STG_NET_ROW }, { "54", NULL, STG_NET_ROW },
	};
	*ret_state = NULL;
	for (size_t i = 0; i < STG_ARRAY_LEN(known); i++)
		if (strncmp(code, known[i].begins, strlen(known[i].begins)) == 0) {
			*ret_state = known[i].state;
			return known[i].class;
		}
	return STG_NET_SERVER;  /* full, going down, a deadlock, a standby: it did nothing and may later */
}

/* "FATAL:  28P01: ..." */
static bool code_in(const char *message, char ret[6])
{
	for (const char *p = message; (p = strstr(p, ":  ")); p++) {
		size_t n = strspn(p + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
		if (n == 5 && p[8] == ':') {
			snprintf(ret, 6, "%.5s", p + 3);
			return true;
		}
	}
	return false;
}

/* Until the socket is ready. False: time is over (ETIMEDOUT) or we were told to stop (ECANCELED). */
static bool wait_for(struct link *l, short events, int64_t deadline_ms)
{
	struct pollfd p[2] = { { PQsocket(l->c), events, 0 }, { stg_stop_fd(l->stop), POLLIN, 0 } };
	int64_t left = deadline_ms - stg_boot_ms();
	if (stg_stop_pulled(l->stop)) {
		errno = ECANCELED;
		return false;
	}
	int n = left > 0 ? poll(p, 2, (int)left) : 0;
	if (n < 0 && errno == EINTR)
		return true;
	if (n > 0 && !p[1].revents)
		return true;
	errno = n > 0 ? ECANCELED : ETIMEDOUT;
	return false;
}

static bool connect_failed(struct link *l, ConnStatusType stage, struct stg_error *err)
{
	const char *message = PQerrorMessage(l->c), *state;
	if (code_in(message, l->code)) {
		enum stg_net_class class = class_of(l->code, &state);
		return fail(l, class == STG_NET_ROW ? STG_NET_SERVER : class, state, "the database", message, err);
	}
	/* what the other side says before it has proven who it is counts for nothing */
	bool is_trust = stage == CONNECTION_SSL_STARTUP && !strstr(message, "SYSCALL");
	/* under TLS 1.3 the word about our certificate comes after the handshake, which has proven the server */
	if (stage != CONNECTION_SSL_STARTUP && (strstr(message, "alert unknown ca") || (strstr(message, " alert ") && strstr(message, "certificate"))))
		return fail(l, STG_NET_AUTH, NULL, "it does not take our certificate", message, err);
	return fail(l, is_trust ? STG_NET_TRUST : STG_NET_OFFLINE, NULL, is_trust ? "not the expected server" : "no connection", message, err);
}

/* What the server remarks is nobody's business, and must not reach a terminal. */
static void ignore(void *ctx, const char *message)
{
	(void)ctx, (void)message;
}

static bool connect_to(const struct push_target *t, struct link *l, struct stg_error *err)
{
	struct stg_net_place p;
	char port[8], ca_path[40], pem_path[40];
	const char *tls = stg_json_str(t->config, "tls"), *ca = stg_json_str(t->config, "ca_pem"), *pem = stg_json_str(t->credentials.values, "client_pem");
	*l = (struct link){ .stop = l->stop, .ca_fd = -1, .pem_fd = -1 };
	if (!place_of(t, &p, err))
		return fail(l, STG_NET_AUTH, "config", "", err->msg, err);
	if (*ca && (l->ca_fd = push_pem_file(ca, ca_path)) < 0)
		return fail(l, STG_NET_SERVER, NULL, "certificates", strerror(errno), err);
	if (*pem && (l->pem_fd = push_pem_file(pem, pem_path)) < 0)
		return fail(l, STG_NET_SERVER, NULL, "client certificate", strerror(errno), err);
	snprintf(port, sizeof(port), "%d", p.port ? p.port : 5432);
	/* all that could come from the environment or a person's files is named here */
	const char *const names[] = { "host", "port", "dbname", "user", "password", "passfile", "sslmode", "sslrootcert", "sslcert", "sslkey",
				      "ssl_min_protocol_version", "gssencmode", "application_name", "client_encoding", "connect_timeout", NULL };
	const char *const values[] = { p.host, port, p.path, stg_json_str(t->config, "user"), stg_json_str(t->credentials.values, "secret"), "/dev/null",
				       strcmp(tls, "off") == 0 ? "disable" : tls, l->ca_fd >= 0 ? ca_path : SYSTEM_CAS, l->pem_fd >= 0 ? pem_path : "/dev/null/none",
				       l->pem_fd >= 0 ? pem_path : "/dev/null/none", "TLSv1.2", "disable", "stager " STG_VERSION, "UTF8", "15", NULL };
	int64_t deadline = stg_boot_ms() + CONNECT_MS;
	l->c = PQconnectStartParams(names, values, 0);
	if (!l->c)
		return fail(l, STG_NET_SERVER, NULL, "", "no memory for a connection", err);
	(void)PQsetNoticeProcessor(l->c, ignore, NULL);
	(void)PQsetErrorVerbosity(l->c, PQERRORS_VERBOSE);
	ConnStatusType stage = PQstatus(l->c);
	for (PostgresPollingStatusType s = PGRES_POLLING_WRITING; s != PGRES_POLLING_OK; s = PQconnectPoll(l->c)) {
		if (s == PGRES_POLLING_FAILED || PQstatus(l->c) == CONNECTION_BAD)
			return connect_failed(l, stage, err);
		stage = PQstatus(l->c);
		if (!wait_for(l, s == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline))
			return fail(l, STG_NET_OFFLINE, NULL, "no connection", errno == ECANCELED ? "given up" : "no answer in time", err);
	}
	if (PQsetnonblocking(l->c, 1) != 0)
		return fail(l, STG_NET_SERVER, NULL, "", "libpq cannot wait", err);
	return true;
}

/* Sends one statement and takes its result. NULL with class set: refused, or (code "") the connection is gone. */
static PGresult *run(struct link *l, const char *sql, int n, const char *const *params, struct stg_error *err)
{
	int64_t deadline = stg_boot_ms() + STATEMENT_MS;
	PGresult *result = NULL, *one;
	l->code[0] = 0;
	if (!PQsendQueryParams(l->c, sql, n, NULL, params, NULL, NULL, 0)) {
		fail(l, STG_NET_SERVER, NULL, "the connection broke", PQerrorMessage(l->c), err);
		return NULL;
	}
	for (int left = 1; (left = PQflush(l->c)) != 0;)
		if (left < 0 || !wait_for(l, POLLIN | POLLOUT, deadline) || !PQconsumeInput(l->c)) {
			fail(l, STG_NET_SERVER, NULL, "the connection broke", left < 0 ? PQerrorMessage(l->c) : strerror(errno), err);
			return NULL;
		}
	for (;;) {
		while (PQisBusy(l->c))
			if (!wait_for(l, POLLIN, deadline) || !PQconsumeInput(l->c)) {
				PQclear(result);
				fail(l, STG_NET_SERVER, NULL, "the connection broke", *PQerrorMessage(l->c) ? PQerrorMessage(l->c) : strerror(errno), err);
				return NULL;
			}
		one = PQgetResult(l->c);
		if (!one)
			break;
		PQclear(result);
		result = one;
	}
	ExecStatusType status = PQresultStatus(result);
	if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
		return result;
	const char *state, *code = PQresultErrorField(result, PG_DIAG_SQLSTATE), *said = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	stg_copy(l->code, sizeof(l->code), code ? code : "");
	enum stg_net_class class = code ? class_of(code, &state) : STG_NET_SERVER;
	fail(l, class, code ? state : NULL, code ? "the database" : "the connection broke", said ? said : PQerrorMessage(l->c), err);
	if (err && code)
		err->id = class == STG_NET_ROW ? STG_ID_RECORD_REJECTED : 0;
	PQclear(result);
	return NULL;
}

static bool did(struct link *l, const char *sql, int n, const char *const *params, struct stg_error *err)
{
	PGresult *r = run(l, sql, n, params, err);
	PQclear(r);
	return r != NULL;
}

/* A transaction that waits for nothing and nobody for ever, in our schema, and on disk when it is committed. */
static bool begin(const struct push_target *t, struct link *l, struct stg_error *err)
{
	const char *schema = stg_json_str(t->config, "schema");
	return did(l, "BEGIN", 0, NULL, err) &&
	       did(l, "SELECT set_config('search_path', $1 || ', pg_temp', true), set_config('lock_timeout', '20s', true), set_config('statement_timeout', '50s', true),"
		      " set_config('idle_in_transaction_session_timeout', '60s', true), set_config('synchronous_commit', 'on', true), set_config('DateStyle', 'ISO', true)",
		   1, &schema, err);
}

/* ---- is it ours, and fit for us ---- */

/* ret_version: 0, there are no tables. An account that may do everything is refused: a stolen station must not be able to. */
static bool look(const struct push_target *t, struct link *l, int *ret_version, struct stg_error *err)
{
	static const char WHO[] = "SELECT coalesce((SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user), false),"
				  " pg_catalog.to_regclass($1 || '.version') IS NOT NULL,"
				  " pg_catalog.has_schema_privilege(current_user, coalesce(pg_catalog.to_regnamespace($1), 'pg_catalog'::regnamespace), 'USAGE')";
	const char *schema = stg_json_str(t->config, "schema");
	PGresult *r = run(l, WHO, 1, &schema, err);
	if (!r)
		return false;
	bool is_super = PQgetvalue(r, 0, 0)[0] == 't', has = PQgetvalue(r, 0, 1)[0] == 't', may = PQgetvalue(r, 0, 2)[0] == 't';
	PQclear(r);
	*ret_version = 0;
	if (is_super)
		return fail(l, STG_NET_AUTH, "mighty", "", "the account is a superuser of the database", err);
	if (!may)
		return fail(l, STG_NET_AUTH, "rights", "", "no right to use the schema", err);
	if (!has)
		return true;
	if (!begin(t, l, err) || !(r = run(l, "SELECT version FROM version", 0, NULL, err)))
		return false;
	*ret_version = PQntuples(r) ? atoi(PQgetvalue(r, 0, 0)) : 0;
	PQclear(r);
	if (*ret_version > push_tables_version)
		return fail(l, STG_NET_AUTH, "newer", "", "its tables are newer than this program", err);
	return did(l, "COMMIT", 0, NULL, err);
}

static bool ready(const struct push_target *t, struct link *l, struct stg_error *err)
{
	int version;
	if (!connect_to(t, l, err) || !look(t, l, &version, err))
		return false;
	return version == push_tables_version ||
	       fail(l, STG_NET_AUTH, "schema", "", version ? "its tables are older than this program" : "there are no tables of ours", err);
}

/* ---- telling ---- */

static const char *first_text(const json_t *value)
{
	const json_t *one = json_is_array(value) ? json_array_get(value, 0) : value;
	return json_is_string(one) ? json_string_value(one) : "";
}

/* What names a device beyond doubt: two stations must come to the same. */
static void device_key(const json_t *record, char ret[160])
{
	static const char *const by[] = { "serial", "imei", "udid", "ecid", NULL };
	const json_t *d = json_object_get(record, "device");
	const char *key = "";
	for (size_t i = 0; by[i] && !*key; i++)
		key = first_text(json_object_get(d, by[i]));
	snprintf(ret, 160, "%.20s:%.120s", stg_json_str_or(d, "family", stg_json_str(d, "platform")), *key ? key : stg_json_str(record, "record_id"));
}

/* The batch as the columns of `result`. */
static json_t *columns_of(const json_t *rows, const json_t *records)
{
	json_t *list = json_array(), *row;
	size_t i;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		const json_t *r = json_array_get(records, i), *d = json_object_get(r, "device"), *time = json_object_get(r, "time");
		char key[160], sum[65], wall[STG_TIME_TEXT];
		int64_t at_ms = 0;
		json_t *one = json_object();
		device_key(r, key);
		stg_sha256_hex(stg_bytes_str(stg_json_str(row, "payload")), sum);
		if (!stg_time_parse(stg_json_str(time, "wall"), &at_ms))
			at_ms = 0;
		stg_time_text(at_ms, wall);
		const struct {
			const char *name, *value;
		} texts[] = {
			{ "record_id", stg_json_str(row, "record_id") }, { "idempotency_key", stg_json_str(row, "idempotency_key") }, { "station_id", stg_json_str(r, "station_id") },
			{ "station", stg_json_str(r, "station") }, { "device_key", key }, { "platform", stg_json_str(d, "platform") }, { "serial", stg_json_str(d, "serial") },
			{ "imei", first_text(json_object_get(d, "imei")) }, { "udid", stg_json_str(d, "udid") }, { "model", stg_json_str(d, "model") },
			{ "os_version", stg_json_str(d, "os_version") }, { "asset_tag", stg_json_str(r, "asset_tag") }, { "batch", stg_json_str(r, "batch") },
			{ "blueprint", stg_json_str(json_object_get(r, "blueprint"), "name") }, { "outcome", stg_json_str(r, "outcome") }, { "finished_at", wall },
			{ "time_trust", stg_json_str_or(time, "trust", "unset") }, { "sha256", sum }, { "record", stg_json_str(row, "payload") },
		};
		for (size_t k = 0; k < STG_ARRAY_LEN(texts); k++)
			json_object_set_new(one, texts[k].name, json_string(texts[k].value));
		stg_json_put_int(one, "seq", stg_json_int(r, "seq", 0));
		stg_json_put_bool(one, "final", stg_json_bool(r, "final", false));
		stg_json_put_bool(one, "wiped", stg_json_bool(json_object_get(r, "wipe"), "verified", false));
		stg_json_put_bool(one, "tells_device", strcmp(stg_json_str(r, "schema"), "stager.result/1") == 0 && !stg_json_bool(r, "read_only", false));
		json_array_append_new(list, one);
	}
	return list;
}

static const char READ_BACK[] = "SELECT r.record_id, r.sha256 FROM result r JOIN json_to_recordset($1::json) AS n(record_id uuid) USING (record_id)";
static const char TAKE_TURNS[] =
	"SELECT count(pg_catalog.pg_advisory_xact_lock(1937008498, k)) FROM (SELECT DISTINCT pg_catalog.hashtext(current_schema() || n.device_key) AS k"
	" FROM json_to_recordset($1::json) AS n(device_key text) ORDER BY 1) AS keys";
static const char ADD[] =
	"INSERT INTO result (record_id, idempotency_key, station_id, station, seq, device_key, tells_device, platform, serial, imei, udid, model, os_version, asset_tag,"
	" batch, blueprint, outcome, final, wiped, finished_at, time_trust, sha256, record)"
	" SELECT record_id, idempotency_key, station_id, station, seq, device_key, tells_device, platform, serial, imei, udid, model, os_version, asset_tag,"
	" batch, blueprint, outcome, final, wiped, finished_at, time_trust, sha256, record FROM json_to_recordset($1::json) AS n(record_id uuid, idempotency_key text,"
	" station_id text, station text, seq bigint, device_key text, tells_device boolean, platform text, serial text, imei text, udid text, model text, os_version text,"
	" asset_tag text, batch text, blueprint text, outcome text, final boolean, wiped boolean, finished_at timestamptz, time_trust text, sha256 text, record text)"
	" ON CONFLICT (record_id) DO NOTHING";
/* Each station's last word by its number, of these the last by the hour. */
static const char RENEW[] =
	"WITH words AS (SELECT DISTINCT ON (r.device_key, r.station_id) r.* FROM result r WHERE r.tells_device AND r.device_key IN"
	" (SELECT n.device_key FROM json_to_recordset($1::json) AS n(device_key text)) ORDER BY r.device_key, r.station_id, r.seq DESC, r.record_id DESC),"
	" last AS (SELECT DISTINCT ON (w.device_key) w.*, count(*) OVER each > 1 AND bool_or(w.time_trust = 'unset') OVER each AS doubtful"
	" FROM words w WINDOW each AS (PARTITION BY w.device_key) ORDER BY w.device_key, w.finished_at DESC, w.record_id DESC)"
	" INSERT INTO device AS d (device_key, record_id, platform, serial, imei, udid, model, os_version, asset_tag, batch, blueprint, outcome, final, station, finished_at, doubtful)"
	" SELECT device_key, record_id, platform, serial, imei, udid, model, os_version, asset_tag, batch, blueprint, outcome, final, station, finished_at, doubtful FROM last"
	" ON CONFLICT (device_key) DO UPDATE SET record_id = excluded.record_id, platform = excluded.platform, serial = excluded.serial, imei = excluded.imei,"
	" udid = excluded.udid, model = excluded.model, os_version = excluded.os_version, asset_tag = excluded.asset_tag, batch = excluded.batch,"
	" blueprint = excluded.blueprint, outcome = excluded.outcome, final = excluded.final, station = excluded.station, finished_at = excluded.finished_at,"
	" doubtful = excluded.doubtful WHERE (d.record_id, d.doubtful) IS DISTINCT FROM (excluded.record_id, excluded.doubtful)";

/* {record_id: sha256} of those that stand there. */
static json_t *read_back(struct link *l, const char *batch, struct stg_error *err)
{
	PGresult *r = run(l, READ_BACK, 1, &batch, err);
	json_t *found = r ? json_object() : NULL;
	for (int i = 0; r && i < PQntuples(r); i++)
		json_object_set_new(found, PQgetvalue(r, i, 0), json_string(PQgetvalue(r, i, 1)));
	PQclear(r);
	return found;
}

static const char *text_of(const char *was, bool is_new)
{
	return is_new ? "" : strcmp(was, "queued") == 0 ? "it stands there already" : "read back: it is there";
}

/* Settles rows that stand there; the others go to ret_open, their places to ret_at. */
static void settle_found(const json_t *rows, const json_t *columns, const json_t *found, bool is_new, struct push_told *told, json_t *ret_open, json_t *ret_at)
{
	json_t *one;
	size_t i;
	json_array_foreach((json_t *)(uintptr_t)columns, i, one) {
		const char *sum = stg_json_str(found, stg_json_str(one, "record_id"));
		if (json_is_object(json_array_get(told->outcomes, i)))
			continue;
		if (!*sum) {
			json_array_append(ret_open, one);
			json_array_append_new(ret_at, json_integer((json_int_t)i));
		} else if (strcmp(sum, stg_json_str(one, "sha256")) == 0) {
			push_told_row(told, i, "delivered", text_of(stg_json_str(json_array_get(rows, i), "was"), is_new), NULL);
		} else {
			push_told_row(told, i, "rejected", "other bytes stand there under this record_id", NULL);
		}
	}
}

/* One transaction over these columns. What it has found there after the write is in ret_found: true once it is committed. */
static bool write_all(const struct push_target *t, struct link *l, const json_t *columns, json_t **ret_found, struct stg_error *err)
{
	STG_AUTO(stg_free_at) char *text = stg_json_text(columns);
	const char *param = text;
	l->commit_sent = false;
	if (!begin(t, l, err) || !did(l, TAKE_TURNS, 1, &param, err) || !did(l, ADD, 1, &param, err) || !did(l, RENEW, 1, &param, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *found = read_back(l, param, err);
	if (!found)
		return false;
	l->commit_sent = true;
	if (!did(l, "COMMIT", 0, NULL, err))
		return false;
	l->commit_sent = false;
	*ret_found = stg_steal(found);
	return true;
}

/* The target's trouble, or ours: what is not settled yet goes back, or is in doubt when COMMIT may have arrived. */
static void give_up(struct link *l, struct push_told *told, const struct stg_error *why)
{
	bool in_doubt = l->commit_sent && !*l->code;
	push_told_fail(told, in_doubt ? STG_NET_IN_DOUBT : l->class == STG_NET_ROW ? STG_NET_SERVER : l->class, in_doubt ? NULL : l->state, why);
}

/* A batch that the database refuses for what is in it is told record by record. */
static bool write_each(const struct push_target *t, struct link *l, const json_t *rows, const json_t *columns, const json_t *open, const json_t *at, struct push_told *told,
		       struct stg_error *err)
{
	size_t k;
	json_t *one;
	json_array_foreach((json_t *)(uintptr_t)open, k, one) {
		STG_AUTO(stg_json_free_at) json_t *alone = json_pack("[O]", one);
		STG_AUTO(stg_json_free_at) json_t *none = json_array();
		STG_AUTO(stg_json_free_at) json_t *found = NULL;
		size_t i = (size_t)json_integer_value(json_array_get(at, k));
		if (write_all(t, l, alone, &found, err)) {
			settle_found(rows, columns, found, true, told, none, none);
			continue;
		}
		if (l->class != STG_NET_ROW)
			return false;
		push_told_row(told, i, "rejected", err->msg, NULL);
		*err = (struct stg_error){ 0 };
		if (!did(l, "ROLLBACK", 0, NULL, err))
			return false;
	}
	return true;
}

static void deliver(const struct push_target *t, const json_t *rows, const json_t *records, struct stg_stop *stop, struct push_told *told)
{
	STG_AUTO(link_clear) struct link l = { .stop = stop, .ca_fd = -1, .pem_fd = -1 };
	STG_AUTO(stg_json_free_at) json_t *columns = columns_of(rows, records);
	STG_AUTO(stg_free_at) char *text = stg_json_text(columns);
	STG_AUTO(stg_json_free_at) json_t *open = json_array();
	STG_AUTO(stg_json_free_at) json_t *at = json_array();
	STG_AUTO(stg_json_free_at) json_t *none = json_array();
	STG_AUTO(stg_json_free_at) json_t *written = NULL;
	struct stg_error why = { 0 };
	if (!ready(t, &l, &why) || !begin(t, &l, &why)) {
		give_up(&l, told, &why);
		return;
	}
	STG_AUTO(stg_json_free_at) json_t *found = read_back(&l, text, &why);
	if (!found || !did(&l, "COMMIT", 0, NULL, &why)) {
		give_up(&l, told, &why);
		return;
	}
	settle_found(rows, columns, found, false, told, open, at);
	if (!json_array_size(open))
		return;
	if (write_all(t, &l, open, &written, &why)) {
		settle_found(rows, columns, written, true, told, none, none);
		return;
	}
	if (l.class != STG_NET_ROW || !*l.code || !did(&l, "ROLLBACK", 0, NULL, &why) || !write_each(t, &l, rows, columns, open, at, told, &why))
		give_up(&l, told, &why);
}

/* ---- asking, showing, making tables ---- */

static void test(const struct push_target *t, struct push_told *told)
{
	static const char RIGHTS[] =
		"SELECT has_table_privilege('result', 'INSERT') AND has_table_privilege('result', 'SELECT') AND has_table_privilege('device', 'INSERT')"
		" AND has_table_privilege('device', 'UPDATE') AND has_table_privilege('device', 'SELECT')";
	STG_AUTO(link_clear) struct link l = { .ca_fd = -1, .pem_fd = -1 };
	struct stg_error why = { 0 };
	PGresult *r = ready(t, &l, &why) && begin(t, &l, &why) ? run(&l, RIGHTS, 0, NULL, &why) : NULL;
	if (r && PQgetvalue(r, 0, 0)[0] != 't')
		fail(&l, STG_NET_AUTH, "rights", "", "the account may not add results", &why);
	if (!r || why.code != STG_OK)
		give_up(&l, told, &why);
	PQclear(r);
}

static json_t *shown(const struct push_target *t, const json_t *rows, const json_t *records, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *columns = columns_of(rows, records);
	json_t *one = json_array_get(columns, 0);
	(void)err;
	json_object_del(one, "record");
	STG_AUTO(stg_free_at) char *body = json_dumps(one, JSON_INDENT(2) | JSON_SORT_KEYS);
	return json_pack("{s:s,s:s,s:s,s:s}", "what", "request", "method", "INSERT", "url", stg_json_str(t->config, "url"), "body", body ? body : "");
}

static bool script_of(const struct push_target *t, struct stg_buf *ret, struct stg_error *err)
{
	char user[260], *to = user;
	const char *schema = stg_json_str(t->config, "schema");
	*to++ = '"';
	for (const char *p = stg_json_str(t->config, "user"); *p && to < user + sizeof(user) - 4; p++) {
		if (*p == '"')
			*to++ = '"';
		*to++ = *p;
	}
	*to++ = '"';
	*to = 0;
	if (!stg_buf_printf(ret, err, "BEGIN;\nSET LOCAL client_min_messages TO warning;\nSELECT pg_advisory_xact_lock(1937008498, 0);\n"
			    "CREATE SCHEMA IF NOT EXISTS %s;\nSET LOCAL search_path TO %s, pg_temp;\n", schema, schema))
		return false;
	for (int i = 0; i < push_tables_version; i++)
		if (!stg_buf_printf(ret, err, "-- version %d\n%s", i + 1, push_tables[i]))
			return false;
	if (!stg_buf_printf(ret, err, "INSERT INTO version VALUES (true, %d) ON CONFLICT (one) DO UPDATE SET version = greatest(version.version, %d);\n", push_tables_version,
			    push_tables_version) ||
	    !stg_buf_printf(ret, err, "-- what station account %s needs, and no more\nGRANT USAGE ON SCHEMA %s TO %s;\n", user, schema, user))
		return false;
	for (const char *p = push_tables_rights; *p; p++)
		if (!(strncmp(p, "%s", 2) == 0 ? (p++, stg_buf_add_str(ret, user, err)) : stg_buf_add(ret, p, 1, err)))
			return false;
	return stg_buf_add_str(ret, "COMMIT;\n", err);
}

/* The script as it is printed, whole: several statements at once go without parameters only. */
static bool carry_out(struct link *l, const char *script, struct stg_error *err)
{
	char last[200] = "";
	int64_t deadline = stg_boot_ms() + STATEMENT_MS;
	bool ok = PQsendQuery(l->c, script) != 0;
	while (ok && PQflush(l->c) != 0)
		ok = wait_for(l, POLLIN | POLLOUT, deadline) && PQconsumeInput(l->c);
	for (PGresult *r = NULL; ok;) {
		while (ok && PQisBusy(l->c))
			ok = wait_for(l, POLLIN, deadline) && PQconsumeInput(l->c);
		if (!ok || !(r = PQgetResult(l->c)))
			break;
		const char *code = PQresultErrorField(r, PG_DIAG_SQLSTATE), *said = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
		if (code) {
			stg_copy(last, sizeof(last), said ? said : code);
			stg_copy(l->code, sizeof(l->code), code);
		}
		PQclear(r);
	}
	if (ok && !*l->code)
		return true;
	l->class = STG_NET_AUTH;
	return fail(l, *l->code ? class_of(l->code, &l->state) : STG_NET_SERVER, strncmp(l->code, "42501", 5) == 0 ? "rights" : NULL, "the database",
		    *last ? last : PQerrorMessage(l->c), err);
}

static json_t *schema(const struct push_target *t, bool apply, struct stg_error *err)
{
	STG_AUTO(link_clear) struct link l = { .ca_fd = -1, .pem_fd = -1 };
	STG_AUTO(stg_buf_clear) struct stg_buf script = STG_BUF(64u << 10);
	struct stg_error why = { 0 };
	int have = -1;
	if (!script_of(t, &script, err))
		return NULL;
	/* a database that cannot be reached does not keep anybody from reading the SQL */
	bool asked = connect_to(t, &l, &why) && look(t, &l, &have, &why);
	if (asked && apply)
		asked = carry_out(&l, stg_buf_str(&script), &why) && look(t, &l, &have, &why);
	if (!asked && (apply || (l.state && strcmp(l.state, "newer") == 0))) {
		unsigned int id = stg_push_state_id(l.state ? l.state : stg_net_class_name(l.class));
		stg_fail_id(err, l.class == STG_NET_OFFLINE ? STG_E_GONE : STG_E_REFUSED, (uint16_t)id, 0, "%s", why.msg);
		return NULL;
	}
	return json_pack("{s:s,s:I,s:I,s:s}", "sql", stg_buf_str(&script), "have", (json_int_t)have, "want", (json_int_t)push_tables_version, "text", why.msg);
}

const struct push_kind stg_push_kind_postgresql = {
	.name = "postgresql",
	.about = "PostgreSQL, the shared inventory of several stations: every result once, the last word about each device",
	.has_credentials = true,
	.most = ROWS_MOST,
	.check = check,
	.deliver = deliver,
	.test = test,
	.shown = shown,
	.schema = schema,
};
