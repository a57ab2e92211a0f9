/*
 * files.c - an app or a document of the repository, opened for a worker.
 *
 * For:    asks.c ("file").
 * Uses:   <stager/apps.h>; the pins of the job.
 * Called: on the main loop.
 * Thread: the main loop's; it opens a file and reads a row, both on the state's own disk.
 *
 * A worker can open nothing. It gets one descriptor, read only, of the bytes that were pinned when the batch began, and only of
 * files that steps of its own job name.
 */
#include <unistd.h>

#include <stager/apps.h>
#include <stager/blueprint.h>

#include "station_i.h"

/* The key comes from the worker: a step looks what it wants before it begins. */
static json_t *pinned(const struct stg_station *s, const struct slot *slot, const json_t *m, struct stg_error *err)
{
	const json_t *step = stg_blueprint_step(json_object_get(slot->job_row, "blueprint"), stg_json_str(m, "key"));
	const struct stg_step *what = stg_step_find(stg_json_str(step, "step"));
	char key[STG_APPS_KEY_MAX];
	if (slot->state != SLOT_STEPS || !step || !what || what->wants_file == STG_FILE_NONE) {
		stg_fail(err, STG_E_REFUSED, 0, "this step has no file");
		return NULL;
	}
	STG_AUTO(stg_json_free_at) json_t *values = job_values(s, slot);
	STG_AUTO(stg_json_free_at) json_t *params = stg_variables_fill(json_object_get(step, "params"), values, err);
	if (!params)
		return NULL;
	json_t *row = stg_apps_key(what->wants_file, params, key) ? json_object_get(json_object_get(slot->job_row, "profiles"), key) : NULL;
	if (!row)
		stg_fail_id(err, STG_E_NOT_FOUND, what->wants_file == STG_FILE_APP ? STG_ID_APP_UNKNOWN : STG_ID_DOCUMENT_UNKNOWN, 0,
			    "the job has none of that name");
	/* what goes to the worker gets more keys; the pinned row is everybody's */
	return row ? json_copy(row) : NULL;
}

void file_ask(struct stg_station *s, struct slot *slot, const json_t *m)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *about = pinned(s, slot, m, &err), *extras = NULL;
	STG_AUTO(stg_close_at) int fd = -1;
	const char *hash = stg_json_str(about, "sha256");
	if (about)
		fd = stg_apps_open(s->state_dir, hash, stg_json_int(about, "size", -1), &err);
	if (fd >= 0 && strcmp(stg_json_str(about, "signing"), "store") == 0 && !(extras = stg_apps_extras(s->state_dir, hash, &err)))
		stg_close_at(&fd);
	if (fd < 0) {
		stg_log_error(STG_LOG_WARNING, &(struct stg_tag){ .room = "files", .job = slot->job, .unit = slot->identity.serial }, &err);
		ask_answer(slot, m, NULL, &err);
		return;
	}
	if (extras)
		json_object_update(about, extras);
	json_t *fields = json_object();
	stg_json_put_new(fields, "about", json_incref(about));
	ask_answer_file(slot, m, fields, fd);
}
