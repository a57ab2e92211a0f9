/*
 * fuzz_profile.c - any bytes as a profile: read, linted, put into words, judged, compared, filled in. Nothing may crash, hang or leak, and
 * what comes out filled in must pass the scanner again.
 */
#include <stdlib.h>

#include <stager/error.h>
#include <stager/payload.h>
#include <stager/plistscan.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char other[] = "<plist version=\"1.0\"><dict><key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>"
				    "<key>PayloadIdentifier</key><string>a</string><key>PayloadUUID</key><string>b</string><key>PayloadContent</key><array/></dict></plist>";
	static json_t *values;
	struct stg_bytes file = stg_bytes(data, size);
	struct stg_error err = { 0 };
	struct stg_payload p = { 0 };
	if (!values)
		values = json_pack("{s:s,s:s,s:{s:s},s:i,s:b}", "serial", "DX3F<&>{{serial}}]]>", "organisation", "\xc3\xa9", "org.root_der", "data", "AAAA",
				   "count", 7, "yes", 1);
	json_decref(stg_profile_read("fuzz", file, &err));
	json_decref(stg_profile_lint("fuzz", file, &err));
	json_decref(stg_profile_words(file, "fr", &err));
	json_decref(stg_profile_rogue("fuzz", file, values, &err));
	json_decref(stg_profile_ends("fuzz", file, &err));
	json_decref(stg_profile_diff("fuzz", file, "other", stg_bytes_str(other), "en", &err));
	json_decref(stg_profile_diff("other", stg_bytes_str(other), "fuzz", file, "fr", &err));
	if (stg_profile_fill("fuzz", file, values, "unit", &p, &err)) {
		if (p.bytes.len && p.bytes.data[0] == '<' && !stg_plist_scan(stg_buf_view(&p.bytes), &stg_plist_profile, NULL, NULL))
			abort();
		stg_payload_clear(&p);
	}
	return 0;
}
