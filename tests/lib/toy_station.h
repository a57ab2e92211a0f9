/* toy_station.h - a station for toy devices: payloads with names that follow from the step, an erase gate that can say no. */
#ifndef TESTS_TOY_STATION_H
#define TESTS_TOY_STATION_H

#include "toy_device.h"
#include "worker_side.h"

/* How most jobs of the tests begin. */
#define HEAD "name: toy\nsteps:\n  - identify:\n  - pair:\n"

struct toy_station {
	struct side side;
	struct stg_arrival arrival;
	struct stg_job job;
	json_t *rows;                   /* the journal of this job */
	bool gate_says_no;
	bool gate_breaks;               /* the gate cannot be asked */
	int payloads, tokens;
	const char *name_taken;         /* another device of the batch has it */
	bool no_recovery_key;
	int kept;                       /* unlock tokens */
	const char *origin;             /* JSON of stg_store_origin(); NULL: of the pool, decided that nothing is kept */
	const char *app;                /* the row of the one app of the repository, JSON; NULL: there is none */
};

static inline json_t *toy_answer(void *ctx, const char *what, const json_t *ask, struct stg_error *err)
{
	struct toy_station *s = ctx;
	char text[300], id[120], uuid[40];
	json_t *o = json_object();
	if (strcmp(what, "payload") == 0) {
		STG_AUTO(stg_buf_clear) struct stg_buf b64 = STG_BUF(4096);
		bool leaf = strstr(stg_json_str(ask, "key"), "issue_certificate") != NULL;
		s->payloads++;
		snprintf(id, sizeof(id), "org.toy.%s", stg_json_str(ask, "key"));
		/* a certificate is a new one each time it is asked for; a filled profile always the same */
		snprintf(uuid, sizeof(uuid), "00000000-0000-4000-8000-%012d", leaf ? s->payloads : 1);
		snprintf(text, sizeof(text), "{\"identifier\":\"%s\",\"uuid\":\"%s\",\"version\":1}", id, uuid);
		if (!stg_base64(stg_bytes_str(text), &b64, err))
			return NULL;
		stg_json_put(o, "bytes", stg_buf_str(&b64));
		stg_json_put(o, "identifier", id);
		stg_json_put(o, "uuid", uuid);
		stg_json_put_int(o, "version", 1);
		if (leaf)
			stg_json_put(o, "certificate_sha256", "c0ffee");
		return o;
	}
	if (strcmp(what, "erase_token") == 0) {
		s->tokens++;
		if (s->gate_breaks) {
			stg_fail(err, STG_E_TIMEOUT, 0, "the database says nothing");
			json_decref(o);
			return NULL;
		}
		if (!s->gate_says_no)
			return o;
		stg_fail(err, STG_E_SAFETY, 0, "not pool equipment");
	} else if (strcmp(what, "claim_name") == 0) {
		if (!s->name_taken || strcmp(s->name_taken, stg_json_str(ask, "name")) != 0)
			return o;
		stg_fail_id(err, STG_E_REFUSED, STG_ID_NAME_TAKEN, 0, "'%s'", s->name_taken);
	} else if (strcmp(what, "file") == 0) {
		if (s->app) {
			json_t *about = json_loads(s->app, 0, NULL);
			const char *version = stg_json_str(about, "version"), *build = stg_json_str(about, "build");
			int fd = memfd_create("app", MFD_CLOEXEC), n = dprintf(fd, "%s %s", version, build);
			stg_json_put_int(about, "size", n);
			stg_json_put(about, "bundle_id", TOY_APP);
			stg_json_put(about, "sha256", "0000000000000000000000000000000000000000000000000000000000000000");
			stg_json_put_new(o, "about", about);
			lseek(fd, 0, SEEK_SET);
			s->side.fd_with = fd;
			return o;
		}
		stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_APP_UNKNOWN, 0, "toy");
	} else if (strcmp(what, "origin") == 0) {
		const char *text_of = s->origin ? s->origin : "{\"known\":true,\"ownership\":\"pool\",\"backup\":{\"answer\":\"none\",\"by\":\"Durand\"}}";
		stg_json_put_new(o, "origin", json_loads(text_of, 0, NULL));
		return o;
	} else if (strcmp(what, "escrow") == 0) {
		if (!s->no_recovery_key) {
			s->kept += *stg_json_str(ask, "token") != 0;
			stg_json_put_new(o, "receipt", *stg_json_str(ask, "token") ? json_pack("{s:s, s:i}", "key_sha256", "beef", "escrow", s->kept)
										   : json_pack("{s:s}", "key_sha256", "beef"));
			return o;
		}
		stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_NO_RECOVERY_KEY, 0, "toy");
	} else if (strcmp(what, "supervisor") == 0) {
		stg_json_put(o, "der", "MAMCAQE=");
		return o;
	}
	json_decref(o);
	return NULL;
}

static inline void toy_station_make(struct toy_station *s, const char *yaml)
{
	struct stg_error err = { 0 };
	*s = (struct toy_station){ 0 };
	s->side.answer = toy_answer;
	s->side.ctx = s;
	s->rows = json_array();
	s->arrival = (struct stg_arrival){ .driver = "toy", .port = "1-1.4", .attach = 7, .mode = STG_MODE_NORMAL };
	s->job = (struct stg_job){ .id = 1, .attach = 7, .port = "1-1.4", .batch = "NORTH-12" };
	s->job.identity = (struct stg_identity){ .family = "toy", .unit = "4242" };
	s->job.blueprint = stg_blueprint_parse("toy.yaml", stg_bytes_str(yaml), NULL, &err);
	if (!s->job.blueprint)
		fail_msg("%s", err.msg);
	s->job.attributes = json_pack("{s:s, s:s}", "asset_tag", "A-1042", "ownership", "pool");
	s->job.values = json_pack("{s:s, s:s}", "organisation", "Toy Hospital", "organisation_id", "1b4e28ba-2fa1-41d2-883f-0016d3cca427");
}

/* One attach: a new worker runs the steps to its last word, which is borrowed. NULL when the watch hung up. */
static inline const json_t *toy_run(struct toy_station *s)
{
	side_start(&s->side, &toy_driver);
	side_send(&s->side, side_job("steps", &s->arrival, &s->job, ""));
	const json_t *last = side_until(&s->side, "finished");
	int status = side_wait(&s->side);
	if (last && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
		fail_msg("the worker ended with status %d", status);
	return last;
}

/* The device is plugged in again: another attach, with what the journal kept. */
static inline const json_t *toy_run_again(struct toy_station *s)
{
	side_journal(&s->side, s->rows, &s->job);
	side_clear(&s->side);
	s->arrival.attach++;
	s->job.attach = s->arrival.attach;
	return toy_run(s);
}

static inline void toy_station_clear(struct toy_station *s)
{
	json_decref(side_rows(&s->side));
	side_clear(&s->side);
	json_decref(s->rows);
	stg_job_clear(&s->job);
}

static inline void toy_ends(const json_t *last, const char *end)
{
	if (strcmp(stg_json_str(last, "end"), end) != 0) {
		char *text = json_dumps(last, JSON_INDENT(1));
		fail_msg("expected the end '%s', got %s", end, text);
	}
}

/* The name of the id the job stands or ended with. */
static inline const char *why_id(const json_t *last)
{
	return stg_id_name((unsigned int)stg_json_int(json_object_get(last, "why"), "id", 0));
}

#endif
