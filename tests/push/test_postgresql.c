/*
 * test_postgresql.c - several stations, one PostgreSQL: nothing lost, nothing doubled, the last word about a device in any order.
 * Against Debian's own server; between it and the station a line that breaks where it hurts.
 */
#include <pthread.h>

#include <libpq-fe.h>

#include "daemon.h"

#define PASSWORD "MARKED-pg-password-4711"

static struct daemon pg;

/* ---- the server ---- */

static void server_up(void)
{
	char command[2000], port[8], certificate[300], key[300], ca[300];
	daemon_folder(&pg);
	daemon_certificates();
	daemon_put(&pg, "pw", 0600, "dba-password\n");
	const char *at = pg.dir;
	snprintf(command, sizeof(command), "bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1) && export PATH=$bin:$PATH && initdb -D %s/data -U dba --pwfile=%s/pw -A scram-sha-256"
		 " -N --locale=C.UTF-8 -E UTF8", at, at);
	run_program(pg.log, true, (const char *const[]){ "sh", "-c", command, NULL });
	daemon_put(&pg, "cert.pem", 0600, daemon_cert);
	daemon_put(&pg, "ca.pem", 0600, daemon_ca);
	/* the 7th station by certificate and password, the 8th by certificate alone, the others by password */
	snprintf(command, sizeof(command), "cd %s/data && { echo 'hostssl all station7 127.0.0.1/32 scram-sha-256 clientcert=verify-full'; echo 'hostssl all station8 127.0.0.1/32 cert';"
		 " cat pg_hba.conf; } >hba && mv hba pg_hba.conf", at);
	run_program(pg.log, true, (const char *const[]){ "sh", "-c", command, NULL });
	daemon_put(&pg, "key.pem", 0600, daemon_cert);
	pg.port = free_port();
	snprintf(port, sizeof(port), "%d", pg.port);
	snprintf(certificate, sizeof(certificate), "ssl_cert_file=%s/cert.pem", at);
	snprintf(key, sizeof(key), "ssl_key_file=%s/key.pem", at);
	snprintf(ca, sizeof(ca), "ssl_ca_file=%s/ca.pem", at);
	snprintf(command, sizeof(command), "exec $(ls -d /usr/lib/postgresql/*/bin | tail -1)/postgres -D %s/data -p %s -c listen_addresses=127.0.0.1,127.0.0.2 -c unix_socket_directories= -c fsync=off"
		 " -c ssl=on -c %s -c %s -c %s -c shared_buffers=8MB -c max_connections=30 -c autovacuum=off -c lc_messages=C", at, port, certificate, key, ca);
	pg.pid = begin_program(pg.log, true, (const char *const[]){ "sh", "-c", command, NULL });
	wait_listening(&pg);
}

static PGconn *as(const char *user, const char *password)
{
	char port[8];
	snprintf(port, sizeof(port), "%d", pg.port);
	const char *const names[] = { "host", "port", "dbname", "user", "password", "sslmode", NULL }, *const values[] = { "127.0.0.1", port, "postgres", user, password, "require", NULL };
	for (int64_t end = stg_boot_ms() + DAEMON_WAIT_MS;;) {
		PGconn *c = PQconnectdbParams(names, values, 0);
		if (PQstatus(c) == CONNECTION_OK)
			return c;
		if (stg_boot_ms() > end || !strstr(PQerrorMessage(c), "starting up"))
			fail_msg("%s", PQerrorMessage(c));
		PQfinish(c);
	}
}

/* One value, as the database's administrator sees it. */
static const char *sql(const char *text)
{
	static char value[4096];
	PGconn *c = as("dba", "dba-password");
	PGresult *r = PQexec(c, text);
	if (PQresultStatus(r) != PGRES_TUPLES_OK && PQresultStatus(r) != PGRES_COMMAND_OK)
		fail_msg("%s: %s", text, PQerrorMessage(c));
	stg_copy(value, sizeof(value), PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) ? PQgetvalue(r, 0, 0) : "");
	PQclear(r);
	PQfinish(c);
	return value;
}

/* ---- a line that breaks ---- */

enum cut { CUT_NEVER, CUT_BEFORE_COMMIT, CUT_AFTER_COMMIT, HOLD_COMMIT };
static struct {
	int fd, port;
	pthread_t thread;
	_Atomic int will, wake, commits;
	int held[2], go[2];             /* HOLD_COMMIT: says so, and waits for the word */
} line;

static void carry(int client, int server)
{
	char data[65536];
	for (;;) {
		struct pollfd p[2] = { { client, POLLIN, 0 }, { server, POLLIN, 0 } };
		if (poll(p, 2, DAEMON_WAIT_MS) <= 0)
			return;
		for (int i = 0; i < 2; i++) {
			if (!p[i].revents)
				continue;
			ssize_t n = recv(p[i].fd, data, sizeof(data), 0);
			if (n <= 0)
				return;
			bool is_commit = i == 0 && memmem(data, (size_t)n, "COMMIT", 6) != NULL && ++line.commits % 3 == 0;
			if (is_commit && line.will == CUT_BEFORE_COMMIT)
				return;
			if (is_commit && line.will == HOLD_COMMIT && (write(line.held[1], "", 1) != 1 || read(line.go[0], data + sizeof(data) - 1, 1) != 1))
				return;
			if (send(p[1 - i].fd, data, (size_t)n, MSG_NOSIGNAL) != n)
				return;
			if (is_commit && line.will == CUT_AFTER_COMMIT) {
				/* it was carried out: the answer is there, and goes nowhere */
				(void)!recv(server, data, sizeof(data), 0);
				return;
			}
		}
	}
}

static void *line_main(void *unused)
{
	(void)unused;
	for (;;) {
		struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)pg.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		int client = accept(line.fd, NULL, NULL), server;
		if (client < 0 || line.wake)
			return NULL;
		server = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(server, (struct sockaddr *)&at, sizeof(at)) == 0) {
			line.commits = 0;
			carry(client, server);
		}
		close(server);
		close(client);
	}
}

static void line_up(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	line.fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(line.fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(line.fd, 8), 0);
	assert_int_equal(getsockname(line.fd, (struct sockaddr *)&at, &n), 0);
	line.port = ntohs(at.sin_port);
	assert_int_equal(pipe(line.held) | pipe(line.go), 0);
	assert_int_equal(pthread_create(&line.thread, NULL, line_main, NULL), 0);
}

static void line_down(void)
{
	line.wake = 1;
	shutdown(line.fd, SHUT_RDWR);
	pthread_join(line.thread, NULL);
	close(line.fd);
}

/* ---- a station ---- */

static json_t *config_of(const char *user, const char *schema)
{
	char url[80];
	snprintf(url, sizeof(url), "postgresql://127.0.0.1:%d/postgres", pg.port);
	return json_pack("{s:s,s:s,s:s,s:s}", "url", url, "user", user, "schema", schema, "ca_pem", daemon_ca);
}

static json_t *schema_of(struct site *s, const char *name, bool apply, struct stg_error *err)
{
	return stg_push_schema(&s->door, name, apply, err);
}

static void password_is(struct site *s, const char *password)
{
	json_decref(s->credentials);
	s->credentials = json_pack("{s:s}", "secret", password);
}

/* What the administrator does with the SQL that was printed. */
static void tables_by_dba(struct site *s, const char *name)
{
	STG_AUTO(stg_json_free_at) json_t *said = NULL;
	OK((said = schema_of(s, name, false, err)) != NULL);
	(void)sql(stg_json_str(said, "sql"));
}

static struct site *site_with(const char *user, const char *schema, const char **ret_name)
{
	struct site *s = site_start(STG_STORE_PRODUCTION);
	password_is(s, PASSWORD);
	*ret_name = target_add(s, "postgresql", config_of(user, schema));
	return s;
}

static void text_lacks_password(struct site *s, const char *name)
{
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	OK((row = stg_store_target(s->st.s, name, NULL, err)) != NULL);
	STG_AUTO(stg_free_at) char *text = stg_json_text(row);
	assert_null(strstr(text, "MARKED"));
}

static const char *said_of(struct site *s, const char *name)
{
	static char text[600];
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	OK((row = stg_store_target(s->st.s, name, NULL, err)) != NULL);
	stg_copy(text, sizeof(text), stg_json_str(row, "text"));
	return text;
}

/* ---- failing cases ---- */

static void what_is_not_ours_gets_nothing(void **state)
{
	(void)state;
	const char *name;
	STG_AUTO(site_stop) struct site *s = site_with("station1", "refused", &name);
	const struct {
		const char *key, *value, *password, *state;
	} cases[] = {
		{ NULL, NULL, PASSWORD, "schema" },                                    /* the schema has no tables yet */
		{ NULL, NULL, "wrong", "auth" },
		{ "user", "nobody_here", PASSWORD, "auth" },
		{ "user", "dba", "dba-password", "mighty" },                           /* may do everything: refused */
		{ "ca_pem", daemon_other_ca, PASSWORD, "trust" },
		{ "url", "postgresql://127.0.0.1:1/postgres", PASSWORD, "offline" },
		{ "url", "nosuch", PASSWORD, "config" },
		{ "url", "other name", PASSWORD, "trust" },                            /* its certificate is of another name */
	};
	stage(s, 2);
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		json_t *config = config_of("station1", "refused");
		char url[80];
		bool is_named = cases[i].key && strcmp(cases[i].key, "url") == 0 && !strstr(cases[i].value, "://"), is_other = is_named && strchr(cases[i].value, ' ');
		snprintf(url, sizeof(url), "postgresql://127.0.0.%d:%d/%s", is_other ? 2 : 1, pg.port, is_other ? "postgres" : "nosuch");
		if (cases[i].key)
			stg_json_put(config, cases[i].key, is_named ? url : cases[i].value);
		password_is(s, cases[i].password);
		json_t *target = json_pack("{s:s,s:s,s:o}", "name", name, "connector", "postgresql", "config", config);
		OK(stg_store_target_put(s->st.s, target, stg_bytes(NULL, 0), err));
		json_decref(target);
		assert_int_equal(round_now(s), 0);
		assert_string_equal(state_of(s, name), cases[i].state);
		assert_int_equal(in_state(s, "queued"), 2);
		text_lacks_password(s, name);
		assert_true(stg_push_state_id(state_of(s, name)) != 0);
	}
	assert_true(strcmp(sql("SELECT count(*) FROM pg_tables WHERE tablename = 'result' AND schemaname = 'refused'"), "0") == 0);
}

/* What one station's account may be used by: the certificate that names it, and the password where one is asked for besides. */
static void a_station_signs_in_by_its_own_certificate_and_no_other(void **state)
{
	(void)state;
	const char *name;
	STG_AUTO(site_stop) struct site *s = site_with("station7", "certified", &name);
	static const struct {
		const char *user, *certificate, *password, *state;
	} cases[] = {
		{ "station7", NULL, PASSWORD, "auth" }, { "station7", daemon_station8, PASSWORD, "auth" }, { "station7", daemon_false7, PASSWORD, "auth" },
		{ "station7", daemon_station7, "wrong", "auth" }, { "station8", NULL, PASSWORD, "auth" }, { "station8", daemon_station7, PASSWORD, "auth" },
		{ "station7", daemon_station7, PASSWORD, "" }, { "station8", daemon_station8, NULL, "" },
	};
	tables_by_dba(s, name);
	json_t *eighth = json_pack("{s:s,s:s,s:o}", "name", name, "connector", "postgresql", "config", config_of("station8", "certified"));
	OK(stg_store_target_put(s->st.s, eighth, stg_bytes(NULL, 0), err));
	json_decref(eighth);
	tables_by_dba(s, name);
	for (size_t i = 0; i < STG_ARRAY_LEN(cases); i++) {
		json_object_clear(s->credentials);
		if (cases[i].password)
			stg_json_put(s->credentials, "secret", cases[i].password);
		if (cases[i].certificate)
			stg_json_put(s->credentials, "client_pem", cases[i].certificate);
		json_t *target = json_pack("{s:s,s:s,s:o}", "name", name, "connector", "postgresql", "config", config_of(cases[i].user, "certified"));
		OK(stg_store_target_put(s->st.s, target, stg_bytes(NULL, 0), err));
		json_decref(target);
		stage(s, 1);
		int64_t delivered = round_now(s);
		if (strcmp(state_of(s, name), cases[i].state) != 0 || (delivered > 0) != !*cases[i].state)
			fail_msg("case %zu: '%s': %s", i, state_of(s, name), said_of(s, name));
		text_lacks_password(s, name);
	}
	assert_int_equal(in_state(s, "delivered"), (int)STG_ARRAY_LEN(cases));
	assert_string_equal(sql("SELECT count(*) FROM certified.result"), "8");
}

static void settings_that_cannot_be_meant_are_refused(void **state)
{
	(void)state;
	const struct {
		const char *key, *value;
	} wrong[] = {
		{ "url", "mysql://127.0.0.1/db" }, { "url", "postgresql://127.0.0.1/" }, { "url", "postgresql://anna:geheim@127.0.0.1/db" }, { "url", "postgresql://127.0.0.1/a?host=b" },
		{ "user", "" }, { "schema", "a;drop" }, { "schema", "pg_catalog" }, { "tls", "require" }, { "tls", "prefer" }, { "sslmode", "disable" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(wrong); i++) {
		STG_AUTO(stg_json_free_at) json_t *row = json_pack("{s:s,s:s,s:{s:s,s:s}}", "name", "x", "connector", "postgresql", "config", "url", "postgresql://127.0.0.1/db", "user", "u");
		json_object_set_new(json_object_get(row, "config"), wrong[i].key, json_string(wrong[i].value));
		FAILS(stg_push_check(row, NULL, false, "/nonexistent", err), STG_E_INPUT, STG_ID_TARGET_CONFIG);
	}
	STG_AUTO(stg_json_free_at) json_t *plain = json_pack("{s:s,s:s,s:{s:s,s:s,s:s}}", "name", "x", "connector", "postgresql", "config", "url", "postgresql://db.example.org/db", "user", "u",
							     "tls", "off");
	FAILS(stg_push_check(plain, NULL, false, "/nonexistent", err), STG_E_INPUT, STG_ID_TARGET_CONFIG);
	json_object_del(json_object_get(plain, "config"), "tls");
	OK(stg_push_check(plain, NULL, false, "/nonexistent", err));
	FAILS(stg_push_check(plain, NULL, true, "/nonexistent", err), STG_E_SAFETY, STG_ID_TARGET_REHEARSAL);
}

/* ---- tables ---- */

static void tables_are_made_upgraded_and_leave_a_station_no_way_to_take_away(void **state)
{
	(void)state;
	const char *name;
	STG_AUTO(site_stop) struct site *s = site_with("station1", "tables", &name);
	STG_AUTO(stg_json_free_at) json_t *tested = NULL;
	OK((tested = stg_push_test(&s->door, name, err)) != NULL);
	assert_false(stg_json_bool(tested, "ok", true));
	assert_string_equal(stg_json_str(tested, "class"), "schema");
	FAILS(schema_of(s, name, true, err), STG_E_REFUSED, STG_ID_TARGET_RIGHTS);     /* it may not make a schema */
	tables_by_dba(s, name);
	tables_by_dba(s, name);         /* twice is harmless */
	STG_AUTO(stg_json_free_at) json_t *again = NULL;
	OK((again = stg_push_test(&s->door, name, err)) != NULL);
	assert_true(stg_json_bool(again, "ok", false));
	stage(s, 1);
	assert_int_equal(round_now(s), 1);

	PGconn *c = as("station1", PASSWORD);
	static const char *const takes[] = { "DELETE FROM tables.result", "TRUNCATE tables.result", "UPDATE tables.result SET outcome = 'x'", "DROP TABLE tables.device", "DELETE FROM tables.device" };
	for (size_t i = 0; i < STG_ARRAY_LEN(takes); i++) {
		PGresult *r = PQexec(c, takes[i]);
		assert_string_equal(PQresultErrorField(r, PG_DIAG_SQLSTATE), "42501");
		PQclear(r);
	}
	PQfinish(c);

	/* one of an earlier version is brought up to date, its rows stay; one of a later version is left alone */
	(void)sql("DROP VIEW tables.batch; UPDATE tables.version SET version = 1");
	stage(s, 1);
	assert_int_equal(round_now(s), 0);
	assert_string_equal(state_of(s, name), "schema");
	tables_by_dba(s, name);
	assert_int_equal(round_now(s), 1);
	assert_string_equal(sql("SELECT count(*) FROM tables.result"), "2");
	(void)sql("UPDATE tables.version SET version = 99");
	stage(s, 1);
	assert_int_equal(round_now(s), 0);
	assert_string_equal(state_of(s, name), "newer");
	FAILS(schema_of(s, name, true, err), STG_E_REFUSED, STG_ID_TARGET_SCHEMA_NEWER);
	/* an account that owns a database makes them itself */
	(void)sql("GRANT CREATE ON DATABASE postgres TO station2");
	const char *own;
	STG_AUTO(site_stop) struct site *s2 = site_with("station2", "own", &own);
	STG_AUTO(stg_json_free_at) json_t *made = NULL;
	OK((made = schema_of(s2, own, true, err)) != NULL);
	stage(s2, 1);
	assert_int_equal(round_now(s2), 1);
}

/* ---- telling ---- */

static void each_result_stands_there_byte_for_byte_and_one_at_fault_stands_alone(void **state)
{
	(void)state;
	const char *name;
	STG_AUTO(site_stop) struct site *s = site_with("station1", "bytes", &name);
	tables_by_dba(s, name);
	(void)sql("ALTER TABLE bytes.result ADD CONSTRAINT no_third CHECK (serial <> 'F2LXK0AA0003')");
	stage(s, 5);
	assert_int_equal(round_now(s), 4);
	assert_int_equal(in_state(s, "rejected"), 1);
	assert_int_equal(in_state(s, "delivered"), 4);
	assert_string_equal(state_of(s, name), "");
	assert_string_equal(sql("SELECT count(*) FROM bytes.result WHERE sha256 = encode(sha256(convert_to(record, 'UTF8')), 'hex')"), "4");
	assert_string_equal(sql("SELECT count(*) FROM bytes.device WHERE outcome = 'staged' AND asset_tag = 'A-1042'"), "4");
	/* other bytes under the same number are somebody's mistake, never ours to overwrite */
	stage(s, 1);
	STG_AUTO(stg_json_free_at) json_t *filter = json_pack("{s:s}", "state", "queued");
	STG_AUTO(stg_json_free_at) json_t *new = NULL;
	OK((new = stg_store_outbox(s->st.s, filter, err)) != NULL);
	char text[600];
	snprintf(text, sizeof(text), "INSERT INTO bytes.result SELECT '%s', 'x', 'y', station, seq, device_key, tells_device, platform, serial, imei, udid, model, os_version, asset_tag, batch,"
		 " blueprint, outcome, final, wiped, finished_at, time_trust, 'other', record FROM bytes.result LIMIT 1", stg_json_str(json_array_get(new, 0), "record_id"));
	(void)sql(text);
	assert_int_equal(round_now(s), 0);
	assert_int_equal(in_state(s, "rejected"), 2);
}

static void a_commit_whose_answer_is_lost_is_read_back_and_never_told_twice(void **state)
{
	(void)state;
	const char *name;
	STG_AUTO(site_stop) struct site *s = site_start(STG_STORE_PRODUCTION);
	password_is(s, PASSWORD);
	json_t *config = config_of("station1", "broken");
	char url[80];
	tables_by_dba(s, target_add(s, "postgresql", json_deep_copy(config)));
	snprintf(url, sizeof(url), "postgresql://127.0.0.1:%d/postgres", line.port);
	stg_json_put(config, "url", url);
	stg_json_put(config, "tls", "off");
	(void)sql("DELETE FROM broken.result");
	STG_AUTO(stg_json_free_at) json_t *first = json_pack("{s:s,s:s,s:o,s:b}", "name", "t0", "connector", "postgresql", "config", config, "enabled", 1);
	OK(stg_store_target_put(s->st.s, first, stg_bytes(NULL, 0), err));
	name = "t0";
	static const enum cut cuts[] = { CUT_BEFORE_COMMIT, CUT_AFTER_COMMIT };
	for (size_t i = 0; i < STG_ARRAY_LEN(cuts); i++) {
		char count[16];
		int64_t delivered = 0, next = 0;
		stage(s, 3);
		line.will = (int)cuts[i];
		struct stg_push_door door = s->door;
		door.at_once = true;
		OK(stg_push_round(&door, "t0", NULL, &delivered, &next, err));
		assert_int_equal(delivered, 0);
		assert_string_equal(state_of(s, name), "in_doubt");
		snprintf(count, sizeof(count), "%d", cuts[i] == CUT_AFTER_COMMIT ? 6 : 0);
		assert_string_equal(sql("SELECT count(*) FROM broken.result"), count);
		line.will = CUT_NEVER;
		OK(stg_push_round(&door, "t0", NULL, &delivered, &next, err));
		assert_int_equal(delivered, 3);
		snprintf(count, sizeof(count), "%zu", (i + 1) * 3);
		assert_string_equal(sql("SELECT count(*) FROM broken.result"), count);
	}
	STG_AUTO(stg_json_free_at) json_t *filter = json_pack("{s:s,s:s}", "target", "t0", "state", "delivered");
	STG_AUTO(stg_json_free_at) json_t *rows = NULL;
	OK((rows = stg_store_outbox(s->st.s, filter, err)) != NULL);
	assert_int_equal(json_array_size(rows), 6);
	assert_string_equal(stg_json_str(json_object_get(json_array_get(rows, 5), "answer"), "text"), "read back: it is there");
}

/* ---- several stations ---- */

enum { STATIONS = 3, EACH = 18, DEVICES = 8 };

/* Small batches: more instants to die in. */
static json_t *take_few(void *ctx, const char *target, int64_t most, struct stg_error *err)
{
	return take(ctx, target, most < 3 ? most : 3, err);
}

/* A station's whole life: recover, tell one target until nothing waits, leave. */
static void live(const char *dir, const char *target, size_t count)
{
	struct site s = { .credentials = json_pack("{s:s}", "secret", PASSWORD) };
	struct stg_error e = { 0 };
	stg_copy(s.st.dir, sizeof(s.st.dir), dir);
	s.st.s = stg_store_open(dir, STG_STORE_ANY, &e);
	if (!s.st.s)
		_exit(1);
	state_key(s.st.s);
	if (!stg_store_recover(s.st.s, NULL, &e))
		_exit(2);
	s.door = (struct stg_push_door){ .ctx = &s, .targets = targets, .credentials = credentials, .take = take_few, .settle = settle, .note = note, .state_dir = dir };
	for (;;) {
		int64_t delivered, next;
		if (!stg_push_round(&s.door, target, NULL, &delivered, &next, &e))
			_exit(3);
		STG_AUTO(stg_json_free_at) json_t *filter = json_pack("{s:s,s:s}", "target", target, "state", "delivered");
		STG_AUTO(stg_json_free_at) json_t *rows = stg_store_outbox(s.st.s, filter, &e);
		if (json_array_size(rows) == count)
			_exit(0);
	}
}

static void stage_as(struct state *st, unsigned int *seed)
{
	struct stg_identity who = phone(1 + rand_r(seed) % DEVICES);
	int64_t job = job_for(st->s, &who, NULL, 0);
	run_steps(st->s, job);
	OK(stg_store_job_finish(st->s, job, STG_JOB_DONE, rand_r(seed) % 3 ? STG_END_STAGED : STG_END_FAILED, NULL, &who, NULL, NULL, err));
}

static void put_target(struct state *st, const char *name, json_t *config)
{
	json_t *target = json_pack("{s:s,s:s,s:o}", "name", name, "connector", "postgresql", "config", config);
	OK(stg_store_target_put(st->s, target, stg_bytes(NULL, 0), err));
	json_decref(target);
}

static pid_t begin_life(struct state *st, const char *target)
{
	pid_t pid = fork();
	if (pid == 0)
		live(st->dir, target, 1);
	return pid;
}

static void two_words_about_one_device_at_the_same_moment_end_with_the_newer(void **unused)
{
	(void)unused;
	struct state st[2];
	const char *name;
	char byte, older[64];
	unsigned int seed = 1;
	int status;
	STG_AUTO(site_stop) struct site *s = site_with("station1", "turns", &name);
	tables_by_dba(s, name);
	for (int i = 0; i < 2; i++) {
		json_t *config = config_of("station1", "turns");
		char url[80];
		snprintf(url, sizeof(url), "postgresql://127.0.0.1:%d/postgres", line.port);
		state_open_kind(&st[i], STG_STORE_PRODUCTION);
		if (i == 1) {
			stg_json_put(config, "url", url);
			stg_json_put(config, "tls", "off");
		}
		put_target(&st[i], "shared", config);
		seed = 1;       /* the same device */
		stage_as(&st[i], &seed);
	}
	STG_AUTO(stg_json_free_at) json_t *rows = NULL;
	OK((rows = stg_store_outbox(st[0].s, NULL, err)) != NULL);
	stg_copy(older, sizeof(older), stg_json_str(json_array_get(rows, 0), "record_id"));
	/* both closed before the first is born: it would keep the other's lock */
	for (int i = 0; i < 2; i++) {
		stg_store_close(st[i].s);
		st[i].s = NULL;
	}
	line.will = HOLD_COMMIT;
	pid_t newer = begin_life(&st[1], "shared");
	assert_int_equal(read(line.held[0], &byte, 1), 1);      /* all done but committed */
	pid_t late = begin_life(&st[0], "shared");
	for (int64_t end = stg_boot_ms() + DAEMON_WAIT_MS; atoi(sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")) == 0;)
		assert_true(stg_boot_ms() < end);
	line.will = CUT_NEVER;
	assert_int_equal(write(line.go[1], "", 1), 1);
	assert_int_equal(waitpid(newer, &status, 0), newer);
	assert_int_equal(waitpid(late, &status, 0), late);
	assert_string_equal(sql("SELECT count(*) FROM turns.result"), "2");
	assert_string_equal(sql("SELECT count(*) FROM turns.device"), "1");
	assert_string_not_equal(sql("SELECT record_id FROM turns.device"), older);
	for (int i = 0; i < 2; i++)
		state_remove(&st[i]);
}

static void stations_at_once_killed_at_random_neither_lose_nor_double(void **unused)
{
	(void)unused;
	struct state st[STATIONS];
	const char *given = getenv("STG_SEED"), *kills_given = getenv("STG_KILLS"), *name;
	unsigned int seed = given ? (unsigned int)strtoul(given, NULL, 0) : (unsigned int)time(NULL);
	int kills = kills_given ? atoi(kills_given) : 8;
	STG_AUTO(site_stop) struct site *s = site_with("station1", "many", &name);
	print_message("seed %u (STG_SEED repeats it)\n", seed);
	tables_by_dba(s, name);
	tables_by_dba(s, target_add(s, "postgresql", config_of("station2", "many")));
	tables_by_dba(s, target_add(s, "postgresql", config_of("station1", "backwards")));
	for (int i = 0; i < STATIONS; i++) {
		state_open_kind(&st[i], STG_STORE_PRODUCTION);
		put_target(&st[i], "shared", config_of(i % 2 ? "station2" : "station1", "many"));
		put_target(&st[i], "backwards", config_of("station1", "backwards"));
	}
	/* in turns, so that the same device is told of by several, in one order of time */
	for (int k = 0; k < EACH; k++)
		for (int i = 0; i < STATIONS; i++)
			stage_as(&st[i], &seed);
	pid_t pids[STATIONS] = { 0 };
	int alive = 0;
	for (int i = 0; i < STATIONS; i++) {
		stg_store_close(st[i].s);
		st[i].s = NULL;
	}
	bool done[STATIONS] = { false };
	for (int i = 0; i < STATIONS; i++, alive++)
		if ((pids[i] = fork()) == 0)
			live(st[i].dir, "shared", EACH);
	while (alive) {
		int status;
		struct timespec nap = { 0, (long)(rand_r(&seed) % 30000) * 1000 };
		if (kills > 0) {
			int i = rand_r(&seed) % STATIONS;
			nanosleep(&nap, NULL);
			if (!done[i]) {
				kills--;
				kill(pids[i], SIGKILL);
			}
		}
		for (int i = 0; i < STATIONS; i++) {
			if (done[i] || waitpid(pids[i], &status, kills > 0 ? WNOHANG : 0) <= 0)
				continue;
			if (WIFEXITED(status)) {
				assert_int_equal(WEXITSTATUS(status), 0);
				done[i] = true;
				alive--;
			} else if ((pids[i] = fork()) == 0) {
				live(st[i].dir, "shared", EACH);
			}
		}
	}
	char total[16];
	snprintf(total, sizeof(total), "%d", STATIONS * EACH);
	assert_string_equal(sql("SELECT count(*) FROM many.result WHERE sha256 = encode(sha256(convert_to(record, 'UTF8')), 'hex')"), total);
	assert_string_equal(sql("SELECT count(DISTINCT (station_id, seq)) FROM many.result"), total);
	/* the last word is the newest, by what was staged last here, where all clocks are one */
	assert_string_equal(sql("SELECT count(*) FROM many.device d WHERE record_id <> (SELECT r.record_id FROM many.result r WHERE r.device_key = d.device_key"
				" ORDER BY finished_at DESC, record_id DESC LIMIT 1)"), "0");
	assert_string_equal(sql("SELECT (SELECT count(*) FROM many.device) = (SELECT count(DISTINCT device_key) FROM many.result)"), "t");

	/* the same results one station after the other, the other way round: the same devices in the end */
	for (int i = STATIONS - 1; i >= 0; i--) {
		int status;
		pid_t pid = fork();
		if (pid == 0)
			live(st[i].dir, "backwards", EACH);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	assert_string_equal(sql("SELECT count(*) FROM backwards.result"), total);
	assert_string_equal(sql("SELECT count(*) FROM ((TABLE many.device EXCEPT TABLE backwards.device) UNION ALL (TABLE backwards.device EXCEPT TABLE many.device)) AS other"), "0");
	for (int i = 0; i < STATIONS; i++)
		state_remove(&st[i]);
}

static int up(void **state)
{
	(void)state;
	server_up();
	PGconn *c = as("dba", "dba-password");
	PQfinish(c);
	(void)sql("CREATE ROLE station1 LOGIN PASSWORD '" PASSWORD "'; CREATE ROLE station2 LOGIN PASSWORD '" PASSWORD "'; CREATE ROLE station7 LOGIN PASSWORD '" PASSWORD "'; CREATE ROLE station8 LOGIN");
	line_up();
	return 0;
}

static int down(void **state)
{
	(void)state;
	line_down();
	daemon_stop(&pg);
	return 0;
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_that_cannot_be_meant_are_refused),
		cmocka_unit_test(what_is_not_ours_gets_nothing),
		cmocka_unit_test(a_station_signs_in_by_its_own_certificate_and_no_other),
		cmocka_unit_test(tables_are_made_upgraded_and_leave_a_station_no_way_to_take_away),
		cmocka_unit_test(each_result_stands_there_byte_for_byte_and_one_at_fault_stands_alone),
		cmocka_unit_test(a_commit_whose_answer_is_lost_is_read_back_and_never_told_twice),
		cmocka_unit_test(two_words_about_one_device_at_the_same_moment_end_with_the_newer),
		cmocka_unit_test(stations_at_once_killed_at_random_neither_lose_nor_double),
	};
	return cmocka_run_group_tests(tests, up, down);
}
