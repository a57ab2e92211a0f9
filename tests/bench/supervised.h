/*
 * supervised.h - what is done to a device that is ours already: ten profiles without a tap, a wallpaper. go-ios beside it.
 *
 * For:    measure.c: each figure is a run with the steps minus one without them, on the same devices.
 * Uses:   journey.h.
 * Called: measure.c.
 * Thread: one.
 *
 * A device takes 1.2 s for a profile at real pace: ten cannot go in faster than 12 s.
 */
#ifndef BENCH_SUPERVISED_H
#define BENCH_SUPERVISED_H

#include "journey.h"

#define SUPERVISED_PROFILES 10

static const char SUPERVISED_HEAD[] = "name: extra\nabout: ours, and then\nsteps:\n  - identify:\n  - pair:\n  - set_time:\n  - supervise:\n";

/* Ten profiles of one payload each, where the station finds them by name. */
static inline void supervised_profiles(struct journey *j)
{
	struct stg_error err = { 0 };
	char path[160], text[2000];
	snprintf(path, sizeof(path), "%s/profiles", j->state);
	journey_must(stg_folder_make(path, 0700, &err), &err, "profiles");
	for (int i = 0; i < SUPERVISED_PROFILES; i++) {
		snprintf(text, sizeof(text),
			 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\"><dict>\n"
			 "<key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>\n"
			 "<key>PayloadIdentifier</key><string>org.example.extra%d</string>\n"
			 "<key>PayloadUUID</key><string>2f0c7a52-93c4-4c8d-9e51-0b1f2a3c4d0%d</string>\n"
			 "<key>PayloadDisplayName</key><string>Extra %d</string>\n"
			 "<key>PayloadContent</key><array><dict>\n"
			 "<key>PayloadType</key><string>com.apple.webClip.managed</string><key>PayloadVersion</key><integer>1</integer>\n"
			 "<key>PayloadIdentifier</key><string>org.example.extra%d.clip</string>\n"
			 "<key>PayloadUUID</key><string>3f0c7a52-93c4-4c8d-9e51-0b1f2a3c4d0%d</string>\n"
			 "<key>Label</key><string>Extra %d</string><key>URL</key><string>https://extra%d.example.org/</string>\n"
			 "</dict></array></dict></plist>\n", i, i, i, i, i, i, i);
		snprintf(path, sizeof(path), "%s/profiles/extra%d.mobileconfig", j->state, i);
		journey_must(stg_file_write(path, stg_bytes_str(text), 0600, &err), &err, "profile");
	}
}

static inline void supervised_blueprint(struct journey *j, bool profiles, bool wallpaper)
{
	struct stg_error err = { 0 };
	char path[160], line[80];
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(4096);
	bool ok = stg_buf_add_str(&text, SUPERVISED_HEAD, &err);
	for (int i = 0; profiles && i < SUPERVISED_PROFILES; i++) {
		snprintf(line, sizeof(line), "  - install_profile: {profile: extra%d, supervised: yes}\n", i);
		ok = ok && stg_buf_add_str(&text, line, &err);
	}
	if (wallpaper)
		ok = ok && stg_buf_add_str(&text, "  - wallpaper:\n", &err);
	supervised_profiles(j);
	snprintf(path, sizeof(path), "%s/blueprints", j->state);
	ok = ok && stg_folder_make(path, 0700, &err);
	snprintf(path, sizeof(path), "%s/blueprints/extra.yaml", j->state);
	journey_must(ok && stg_file_write(path, stg_buf_view(&text), 0600, &err), &err, "blueprint");
}

#endif
