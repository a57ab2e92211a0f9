/*
 * station.c - operations on the live station: what is plugged in, one-shot staging, stopping, figures.
 *
 * For:    cmd/devices.c, cmd/stage.c, cmd/stop.c, the board, `make bench`.
 * Uses:   <stager/station.h>.
 * Called: station/socket.c.
 * Thread: the main loop's; nothing here blocks.
 *
 *   devices       -> [{"v","port","label","state","mode","family","udid","serial","ecid","model",...}] slots, then what
 *                    the topology shows besides
 *   stage         {"port"|"serials":[..]|"all":true, "blueprint":{pinned},"profiles":{pinned}} -> {"staging":[{port,udid,attach}],"skipped":[..]}
 *   station.stop  {"now":bool} -> {"running":[{"port","label","serial","step","seconds","erasing"}]}
 *   station.show  -> figures: pid, workers, CPU, memory
 *   port.learning {"seconds"} -> {}: ports are being named; no new device is touched for so long (at most ten minutes; 0: over)
 *   push.now      {"target"} -> {}: waits of targets are forgotten, the push thread goes round at once
 */
#include <stager/station.h>

static bool devices(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)in, (void)err;
	*ret = stg_station_devices(c->station);
	return true;
}

static bool stage(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	*ret = stg_station_stage(c->station, in, c->actor, err);
	return *ret != NULL;
}

static bool stop(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)err;
	*ret = json_pack("{s:o}", "running", stg_station_stop(c->station, stg_json_bool(in, "now", false)));
	return true;
}

static bool show(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)in, (void)err;
	*ret = stg_station_figures(c->station);
	return true;
}

static bool push_now(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)err;
	stg_station_push(c->station, stg_json_str(in, "target"));
	*ret = json_object();
	return true;
}

static bool learning(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)err;
	stg_station_learning(c->station, stg_json_int(in, "seconds", 0));
	*ret = json_object();
	return true;
}

const struct stg_op stg_ops_station[] = {
	{ "devices", STG_OP_STATION, devices },
	{ "stage", STG_OP_STATION, stage },
	{ "station.stop", STG_OP_STATION, stop },
	{ "station.show", STG_OP_STATION, show },
	{ "port.learning", STG_OP_STATION, learning },
	{ "push.now", STG_OP_STATION, push_now },
	{ 0 },
};
