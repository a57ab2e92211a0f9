/*
 * _tables.c - the tables of a shared inventory, as SQL.
 *
 * For:    kinds/postgresql.c, which makes them or prints them for the database's administrator.
 * Uses:   nothing.
 * Called: by `stager target schema`.
 * Thread: any; constants.
 * Facts:  PostgreSQL 13 and later; run against 15.
 *
 * `result` holds every record once, byte for byte, under its record_id. `device` holds the last word about each device and
 * follows from `result` alone: whatever order stations tell their results in, it is the same in the end.
 */
#include "_tables.h"

const char *const push_tables[] = {
	/* 1 */
	"CREATE TABLE IF NOT EXISTS version (\n"
	"    one boolean PRIMARY KEY DEFAULT true CHECK (one),\n"
	"    version integer NOT NULL);\n"
	"CREATE TABLE IF NOT EXISTS result (\n"
	"    record_id uuid PRIMARY KEY,\n"
	"    idempotency_key text NOT NULL UNIQUE,\n"
	"    station_id text NOT NULL,\n"
	"    station text NOT NULL,\n"
	"    seq bigint NOT NULL,\n"
	"    device_key text NOT NULL,\n"
	"    tells_device boolean NOT NULL,      -- false: a census, a revocation: no word about what the device is now\n"
	"    platform text NOT NULL,\n"
	"    serial text NOT NULL,\n"
	"    imei text NOT NULL,\n"
	"    udid text NOT NULL,\n"
	"    model text NOT NULL,\n"
	"    os_version text NOT NULL,\n"
	"    asset_tag text NOT NULL,\n"
	"    batch text NOT NULL,\n"
	"    blueprint text NOT NULL,\n"
	"    outcome text NOT NULL,\n"
	"    final boolean NOT NULL,\n"
	"    wiped boolean NOT NULL,\n"
	"    finished_at timestamptz NOT NULL,\n"
	"    time_trust text NOT NULL,\n"
	"    sha256 text NOT NULL,\n"
	"    record text NOT NULL,               -- the exact bytes of the result; sha256 is theirs\n"
	"    told_at timestamptz NOT NULL DEFAULT now());\n"
	"CREATE INDEX IF NOT EXISTS result_device ON result (device_key, station_id, seq);\n"
	"CREATE INDEX IF NOT EXISTS result_batch ON result (batch);\n"
	"CREATE TABLE IF NOT EXISTS device (\n"
	"    device_key text PRIMARY KEY,\n"
	"    record_id uuid NOT NULL REFERENCES result,\n"
	"    platform text NOT NULL,\n"
	"    serial text NOT NULL,\n"
	"    imei text NOT NULL,\n"
	"    udid text NOT NULL,\n"
	"    model text NOT NULL,\n"
	"    os_version text NOT NULL,\n"
	"    asset_tag text NOT NULL,\n"
	"    batch text NOT NULL,\n"
	"    blueprint text NOT NULL,\n"
	"    outcome text NOT NULL,\n"
	"    final boolean NOT NULL,\n"
	"    station text NOT NULL,\n"
	"    finished_at timestamptz NOT NULL,\n"
	"    doubtful boolean NOT NULL);         -- two stations spoke of it and the clock of one was not set\n"
	"CREATE INDEX IF NOT EXISTS device_serial ON device (serial);\n",
	/* 2 */
	"CREATE OR REPLACE VIEW batch AS\n"
	"    SELECT batch, count(*) AS devices, count(*) FILTER (WHERE outcome = 'staged') AS staged,\n"
	"           count(*) FILTER (WHERE outcome = 'failed') AS failed, count(*) FILTER (WHERE outcome NOT IN ('staged', 'failed')) AS open,\n"
	"           count(DISTINCT station) AS stations, max(finished_at) AS last_at\n"
	"    FROM device WHERE batch <> '' GROUP BY batch;\n",
};
const int push_tables_version = sizeof(push_tables) / sizeof(push_tables[0]);

const char push_tables_rights[] =
	"GRANT SELECT ON version, batch TO %s;\n"
	"GRANT SELECT, INSERT ON result TO %s;\n"
	"GRANT SELECT, INSERT, UPDATE ON device TO %s;\n";
