/*
 * wallpaper.c - the device as its own label: tag, owner, tick and QR code on its screens.
 *
 * For:    a pile of devices that sorts itself; only on devices supervised by us.
 * Uses:   the host (the station draws it), the device door.
 * Called: worker/run.c.
 * Thread: the worker's only one.
 *
 * A device shows its wallpaper to nobody byte for byte: its own word about this item is the evidence, and set once by this job
 * is done.
 */
#include "steps.h"

static const struct stg_param params[] = {
	{ "title", STG_PARAM_STRING, .variables = true, .about = "the large line (default \"{{asset_tag|serial}}\")" },
	{ "owner", STG_PARAM_STRING, .variables = true, .about = "the line below (default \"{{organisation|''}}\")" },
	{ "code", STG_PARAM_STRING, .variables = true, .about = "what the QR code says (default the serial)" },
	{ "where", STG_PARAM_ENUM, .values = "lock home both", .about = "which screens (default both)" },
	{ "tick", STG_PARAM_BOOL, .about = "false: without the big tick" },
	{ 0 },
};

static enum stg_wallpaper where(const struct stg_step_ctx *c)
{
	const char *word = stg_json_str(c->params, "where");
	return strcmp(word, "lock") == 0 ? STG_WALLPAPER_LOCK : strcmp(word, "home") == 0 ? STG_WALLPAPER_HOME : STG_WALLPAPER_BOTH;
}

/* A picture is seen by everybody who passes. */
static bool check(const json_t *p, struct stg_error *err)
{
	static const char *const names[] = { "title", "owner", "code" };
	for (size_t i = 0; i < STG_ARRAY_LEN(names); i++)
		if (strstr(stg_json_str(p, names[i]), "secret."))
			return stg_fail(err, STG_E_INPUT, 0, "'%s' shows a secret on the screen", names[i]);
	return true;
}

static bool proven(struct stg_step_ctx *c, bool *ret, struct stg_error *err)
{
	(void)err;
	const json_t *ack = json_object_get(c->ran ? c->evidence : c->proven_before, "acknowledged");
	*ret = *stg_json_str(ack, "sha256") != 0;
	return true;
}

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	if (!step_needs_supervision(c, err))
		return false;
	if (!c->payload->bytes.len && !c->host->payload(c->host->ctx, c->payload, err))
		return false;
	if (!stg_device_set_wallpaper(c->device, stg_buf_view(&c->payload->bytes), where(c), err))
		return false;
	step_acknowledged(c, json_pack("{s:s, s:I}", "sha256", c->payload->sha256, "bytes", (json_int_t)c->payload->bytes.len));
	return true;
}

const struct stg_step stg_step_wallpaper = {
	.name = "wallpaper",
	.about = "sets a wallpaper with tag, owner, tick and QR code",
	.params = params,
	.deadline_ms = 120000,
	.needs_trust = true,
	.makes_payload = true,
	.proven = proven,
	.run = run,
	.check = check,
};
