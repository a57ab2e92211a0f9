/* wifi.c - switches the radio of a supervised device: off for the shelf, on for the ward. Acknowledged is all the evidence. */
#include "steps.h"

static const struct stg_param params[] = {
	{ "power", STG_PARAM_ENUM, .required = true, .values = "on off", .about = "on or off" },
	{ 0 },
};

static bool run(struct stg_step_ctx *c, struct stg_error *err)
{
	bool on = strcmp(stg_json_str(c->params, "power"), "on") == 0;
	return step_needs_supervision(c, err) && stg_device_wifi_power(c->device, on, err);
}

const struct stg_step stg_step_wifi = {
	.name = "wifi",
	.about = "switches Wi-Fi on or off on a supervised device",
	.params = params,
	.deadline_ms = 60000,
	.needs_trust = true,
	.run = run,
};
